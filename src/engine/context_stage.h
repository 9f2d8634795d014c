// The second stage: a ranking's first units are read again, all in one context with the question
// behind them, and put into the order that attention gives them (docs/retrieval.md).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
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

// Several questions may be asked at once; their passes wait for each other.
class ContextStage {
  public:
    struct Parts {
        ContextHeads heads;  // at least one
        std::string model_name, model_hash;
        uint32_t threads = 0;
        bool on_device = false;
        double seconds_per_token = 0;  // a guess, until the first reading
        std::function<Result<std::unique_ptr<ContextModel>>(ProgressSink*)> open;
    };
    explicit ContextStage(Parts parts) : parts_(std::move(parts)) {}

    const std::string& model_name() const { return parts_.model_name; }
    const std::string& model_hash() const { return parts_.model_hash; }
    const ContextHeads& heads() const { return parts_.heads; }
    bool on_device() const { return parts_.on_device; }
    // What a context of so many tokens takes: as the last reading took, before the first one a
    // guess from the layers' size.
    double seconds_for(uint64_t tokens) const;

    // `units` best first, with the first stage's scores. Units that do not fit the model's window
    // are not read; `scores` of the result is then shorter. The model is opened by the first call.
    Result<ContextReading> read(const std::string& question, const std::vector<std::string>& units,
                                std::span<const double> first_scores, bool with_links,
                                const CancelToken* cancel, ProgressSink* sink = nullptr);

  private:
    Parts parts_;
    mutable std::mutex measured_mutex_;
    std::optional<double> measured_;  // seconds of a token
    std::mutex model_mutex_;
    std::unique_ptr<ContextModel> model_;
};

struct ContextStageOptions {
    std::string model;    // GGUF
    std::string adapter;  // empty: the one of `adapter_dirs` made for the model
    std::vector<std::string> adapter_dirs;
    std::string cache_dir;
    uint32_t threads = 0;
    Device device = Device::kAuto;
    std::shared_ptr<const Adapter> loaded = nullptr;  // that adapter, where it is at hand
};
// Reads the adapter and the model's header. kNotFound, with the next step, when there is no adapter
// for the model or it has no context heads.
Result<std::unique_ptr<ContextStage>> open_context_stage(const ContextStageOptions& options);

}  // namespace s3attn
