// The training run above an open scanner: what train_adapter does once the model is open. Tests
// call it with the fake model.
#pragma once

#include <optional>
#include <string>

#include "adapter/adapter.h"
#include "model/language_model.h"
#include "s3attn/progress.h"
#include "s3attn/result.h"
#include "s3attn/trainer.h"
#include "train/corpus.h"
#include "train/question_writer.h"

namespace s3attn {

// Checks what can be checked before any model is opened.
Status check_train_options(const TrainOptions& options);
Status check_without_output(const TrainOptions& options);  // likewise, but `out` may be empty
// The deepest layer that the run may look at.
uint32_t deepest_wanted_layer(const TrainOptions& options, const ModelInfo& model);

struct TrainedAdapter {
    Adapter adapter;  // rounded to what a file holds; training_record not yet set
    TrainReport report;
    std::string record;  // JSON: everything the run measured
};
// Finished parts are kept in, and taken from, options.work unless that is empty. `writer` is needed
// where options.model_questions > 0.
Result<TrainedAdapter> run_training(Scanner& scanner, const Corpus& corpus,
                                    const TrainOptions& options, ProgressSink& sink,
                                    const CancelToken& cancel, const QuestionWriter& writer = {});

struct SweepResult {
    SweepReport report;
    std::optional<TrainedAdapter> best;  // only where options.out is named
};
Result<SweepResult> run_sweep(Scanner& scanner, const Corpus& corpus, const TrainOptions& options,
                              const SweepOptions& sweep, ProgressSink& sink,
                              const CancelToken& cancel, const QuestionWriter& writer = {});

}  // namespace s3attn
