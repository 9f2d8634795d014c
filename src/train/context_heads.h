// Which heads tell in context: every head of a model ranks the units of a context for the sentence
// behind them, alone. No labels.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "adapter/adapter.h"
#include "model/context_units.h"
#include "s3attn/progress.h"
#include "s3attn/result.h"
#include "s3attn/trainer.h"
#include "train/corpus.h"

namespace s3attn {

// A sentence and the units it has to be found among, in the order of the context.
struct ContextTask {
    std::string question;
    std::vector<std::string> units;
    uint32_t answer = 0;  // index of its own unit
};
// Its own unit among paragraphs with the same words, neighbours of the document and random ones,
// shuffled, so that a head that only likes a place gains nothing. kInvalidArgument when the corpus
// has too few paragraphs.
Result<std::vector<ContextTask>> make_context_tasks(const Corpus& corpus,
                                                    const ContextHeadOptions& options,
                                                    uint64_t seed, const CancelToken& cancel);

// The deepest layer that may be chosen.
uint32_t deepest_context_layer(const ContextHeadOptions& options, uint32_t n_layer);

// The options' ranges against a model, by name.
Status check_context_options(const ContextHeadOptions& options, const ModelInfo& model);

// Ranks every head up to that layer and chooses the best options.heads. kUnsupported when none
// does better than chance.
Result<ContextHeadReport> choose_context_heads(ContextModel& model,
                                               const std::vector<ContextTask>& tasks,
                                               const ContextHeadOptions& options, uint32_t threads,
                                               ProgressSink& sink, const CancelToken& cancel);
ContextHeads as_context_heads(const ContextHeadReport& report);
std::string context_record(const ContextHeadReport& report, const ContextHeadOptions& options);

}  // namespace s3attn
