// Attention in context: what the last tokens of one context (a question) look at in all that
// stands before them (passages). The seam of the second stage; docs/retrieval.md, "The second
// stage".
//
// The network runs up to the deepest wanted layer. Of each wanted layer the last tokens' queries
// and the whole context's keys are handed out as the model's own attention reads them (after RoPE,
// norms and scales, keys as its cache holds them), with its mask; attention_rows() multiplies
// them. The model itself keeps its fused attention, so no matrix of context x context ever exists.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/language_model.h"
#include "s3attn/result.h"
#include "s3attn/types.h"

namespace s3attn {

// Attention of one layer, valid only inside the callback. Columns are the context's tokens, with
// `skip` (0 or 1: BOS) in front that belong to no caller's token.
struct ContextLayer {
    uint32_t layer = 0;
    uint32_t n_columns = 0, skip = 0;
    uint32_t n_rows = 0;  // the last tokens of the context
    uint32_t n_head = 0, n_head_kv = 0, d_head = 0;
    const float* queries = nullptr;  // [row][head][dimension]
    const float* keys = nullptr;     // [column][KV head][dimension]
    const float* mask = nullptr;     // [row][column]: 0, or -infinity where the row may not look
    const float* sinks = nullptr;    // [head], logits of no token at all; null: none
    float scale = 1;
    float softcap = 0;  // 0: none
};
using ContextSink = std::function<Status(const ContextLayer&)>;

// Of one query head: softmax(softcap(scale q.k) + mask) of every row over all columns (and the
// sink). `out` is [row][column - skip]: what falls on the caller's tokens. Keys are read once for
// all rows.
void attention_rows(const ContextLayer& layer, uint32_t head, std::vector<float>& out);

// A model opened for this. Not thread-safe; one per thread.
class ContextModel {
  public:
    virtual ~ContextModel() = default;
    virtual const ModelInfo& info() const = 0;
    virtual const Tokenizer& tokenizer() const = 0;
    virtual uint32_t context_tokens() const = 0;  // most tokens of one attend()
    virtual uint32_t row_tokens() const = 0;      // most rows of one attend()
    // What runs the model: "CPU", or the card's name.
    virtual std::string device_name() const = 0;
    // Multiplications and additions of one token up to `layer`, attention itself left out.
    virtual double operations_per_token(uint32_t layer) const = 0;

    // One forward pass over `tokens` from position 0; rows are tokens[first_row ..]. Delivers every
    // layer of `layers` (ascending, no duplicates) once, in order. kUnsupported names a layer or
    // architecture whose attention is not of that form; kCancelled between two batches.
    virtual Status attend(std::span<const int32_t> tokens, uint32_t first_row,
                          std::span<const uint32_t> layers, const CancelToken* cancel,
                          const ContextSink& sink) = 0;
};

struct ContextModelOptions {
    std::string model_path;
    uint32_t threads = 0;         // 0: all cores of this process
    uint32_t context_tokens = 0;  // most of one context; 0: 8192, or what the model was trained for
    // Deepest layer that will be asked for; with cache_dir set, a scan copy of so many layers is
    // made once and used instead of the file. -1: all layers.
    int32_t deepest_layer = -1;
    std::string cache_dir;
    Device device = Device::kAuto;
};
Result<std::unique_ptr<ContextModel>> open_context_model(const ContextModelOptions& options,
                                                         ProgressSink* sink = nullptr);

}  // namespace s3attn
