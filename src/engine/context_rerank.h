// The second stage as the searcher calls it: whether it runs, and what it does to a ranking.
#pragma once

#include "engine/context_stage.h"
#include "retrieve/mix.h"
#include "s3attn/types.h"

namespace s3attn {

// Of one search. Fills `report` and leaves the ranking alone where the stage does not run.
class ContextRerank final : public SecondStage {
  public:
    // `stage` may be null; `why_none` then says why.
    ContextRerank(const RerankOptions& options, ContextStage* stage, std::string why_none,
                  bool with_links, RerankReport& report)
        : options_(options),
          stage_(stage),
          why_none_(std::move(why_none)),
          with_links_(with_links),
          report_(report) {}

    // kNotFound when a second stage was asked for and there is none; an error of its model.
    Status rerank(const VoiceRequest& request, Ranking& ranking) override;

  private:
    const RerankOptions& options_;
    ContextStage* stage_;
    std::string why_none_;
    bool with_links_;
    RerankReport& report_;
};

// Gives result.attention what result.rerank knows of its spans.
void add_context_attention(SearchResult& result);

}  // namespace s3attn
