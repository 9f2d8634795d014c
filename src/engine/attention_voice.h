// The voice that the project exists for: the model's own attention, from its queries for the
// question to the keys that the index holds.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "adapter/adapter.h"
#include "engine/question_codes.h"
#include "model/language_model.h"
#include "retrieve/scan_cache.h"
#include "retrieve/score.h"
#include "retrieve/voice.h"
#include "s3attn/types.h"

namespace s3attn {

struct AttentionTrace final : VoiceTrace {
    Tokens tokens;
    QuestionCodes codes;
    std::vector<std::vector<double>> log_total;  // [block], as S3Scores has it; empty for Eq. 7
};

class AttentionVoice final : public Voice {
  public:
    // All must outlive the voice. Several questions at once need a scanner that waits for itself
    // (scan/shared_scanner.h).
    AttentionVoice(Scanner& scanner, const Adapter& adapter, const SearchOptions& options,
                   uint32_t threads, ScanCache* cache)
        : scanner_(scanner),
          adapter_(adapter),
          scoring_(options.scoring),
          max_features_(options.max_features),
          threads_(threads),
          cache_(cache) {}

    // The question is then read behind these passages, as many of the first ones as `scanner`'s
    // window holds beside it: its queries know what stands there.
    void read_behind(std::vector<std::string> passages) { before_ = std::move(passages); }

    const std::string& name() const override;
    Result<VoiceScores> score(const VoiceRequest& request) const override;

  private:
    Result<std::vector<int32_t>> tokens_before(size_t question_tokens) const;

    Scanner& scanner_;
    const Adapter& adapter_;
    Scoring scoring_;
    uint32_t max_features_, threads_;
    ScanCache* cache_;
    std::vector<std::string> before_;
};

}  // namespace s3attn
