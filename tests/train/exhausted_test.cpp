// Memory that runs out at any moment of a training is that call's error: nothing is thrown, no
// thread is left behind, and what was finished is taken up by the next run.
#include <filesystem>

#include "../store/failing_memory.h"
#include "fake_text.h"
#include "model/fake_model.h"
#include "train/pipeline.h"
#include "train/pipeline_parts.h"

namespace s3attn {
namespace {

TrainOptions tiny() {
    TrainOptions options;
    options.model = "fake.gguf";
    options.corpus = {"texts"};
    options.out = "adapter";
    options.n_heads = 1;
    options.max_layer = 0;
    options.latents = 16;
    options.k = 2;
    options.sae_steps = 3;
    options.sae_tokens = 600;
    options.cloze_pairs = 110;
    options.query_steps = 2;
    options.threads = 2;
    return options;
}

Status train(const TrainOptions& options) {
    const auto scanner = make_fake_scanner();
    QuietSink sink;
    return status_of(run_training(*scanner, fake_corpus(120, 1), options, sink, CancelToken(), {}));
}

TEST(TrainerExhausted, AtAnyStepOfATraining) {
    // Not lasting: nlohmann's destructor needs a little memory to take a nested value of the
    // record apart, and ends the program where there is none at all.
    const int failures = fail_each(
        997, [] { return train(tiny()); }, [] {}, false);
    EXPECT_GT(failures, 10);
}

}  // namespace
}  // namespace s3attn
