// The second stage: a ranking's first units are read again, all in one context with the question
// behind them, and put into the order that attention gives them (docs/retrieval.md).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "adapter/adapter.h"
#include "model/context_units.h"
#include "s3attn/progress.h"
#include "s3attn/result.h"
#include "s3attn/types.h"

namespace s3attn {

struct ContextStageOptions {
    std::string model;    // GGUF
    std::string adapter;  // empty: the one of `adapter_dirs` made for the model
    std::vector<std::string> adapter_dirs;
    std::string cache_dir;
    uint32_t threads = 0;
    Device device = Device::kAuto;
    uint32_t context_tokens = 0;  // most tokens of one context; 0: 8192, or the model's window
};

// Where in context a question's token looked.
struct ContextLink {
    uint32_t question_token = 0;  // in the tokens of the stage's model
    uint32_t unit = 0;
    uint64_t byte_begin = 0, byte_end = 0;  // of the unit's text
    double mass = 0;                        // attention, averaged over the heads
};

struct ContextReading {
    std::vector<double> scores;     // of the first units; as many as were read
    std::vector<double> attention;  // of each: share of what falls on any, mean over heads
    uint32_t tokens = 0;            // of the context
    double milliseconds = 0;
    std::vector<std::string> question_tokens;  // with links
    std::vector<ContextLink> links;            // largest first
};

// One call at a time.
class ContextStage {
  public:
    // Reads the adapter and the model's header; the model itself is opened by the first read().
    // kNotFound, with the next step, when there is no adapter for the model or it has no context
    // heads.
    static Result<std::unique_ptr<ContextStage>> make(const ContextStageOptions& options);

    const std::string& model_name() const { return adapter_.model_name; }
    const std::string& model_hash() const { return adapter_.model_hash; }
    const ContextHeads& heads() const { return adapter_.context; }
    bool on_device() const { return options_.device == Device::kCuda; }
    // What a context of so many tokens takes: as measured by the last read(), before the first one
    // estimated from the layers' size.
    double seconds_for(uint64_t tokens) const;

    // `units` best first, with the first stage's scores. Units that do not fit the model's window
    // are not read; `scores` of the result is then shorter.
    Result<ContextReading> read(const std::string& question, const std::vector<std::string>& units,
                                std::span<const double> first_scores, bool with_links,
                                const CancelToken* cancel, ProgressSink* sink = nullptr);

  private:
    ContextStage() = default;
    Status open(ProgressSink* sink);

    ContextStageOptions options_;
    Adapter adapter_;
    double guessed_ = 0;              // seconds of a token
    std::optional<double> measured_;  // likewise
    std::unique_ptr<ContextModel> model_;
};

}  // namespace s3attn
