// The first layers of a decoder, opened and run: what a scanner and the second stage's model share.
#pragma once

#include <llama-cpp.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "model/gguf_header.h"
#include "model/language_model.h"
#include "model/llama_tokenizer.h"
#include "s3attn/progress.h"
#include "s3attn/result.h"
#include "s3attn/types.h"

namespace s3attn {

// Tokens of one pass; owns the arrays of a llama_batch.
class LlamaBatch {
  public:
    explicit LlamaBatch(size_t capacity);
    ~LlamaBatch() { llama_batch_free(batch_); }
    LlamaBatch(const LlamaBatch&) = delete;
    LlamaBatch& operator=(const LlamaBatch&) = delete;

    void clear() { batch_.n_tokens = 0; }
    void push(llama_token token, size_t position, llama_seq_id sequence = 0, bool output = false);
    size_t size() const { return static_cast<size_t>(batch_.n_tokens); }
    const llama_batch& get() const { return batch_; }

  private:
    llama_batch batch_;
};

// What a file holds of the layers up to `deepest` (below 0: all).
struct OpenedLayers {
    GgufHeader header;
    ModelInfo info;
    uint32_t layers = 0;
};
// kInvalidArgument: it has no layer `deepest`; kUnsupported: no keys that can be captured.
Result<OpenedLayers> open_layers(const std::string& path, int64_t deepest);

struct LlamaDecoder {
    llama_model_ptr model;
    std::unique_ptr<LlamaTokenizer> tokenizer;
    std::optional<llama_token> bos;  // where the model wants one in front
};
// Loads weights from `path`: the original, which messages name, or its scan copy.
Result<LlamaDecoder> load_decoder(const std::string& path, const std::string& original,
                                  Device device, const CancelToken* cancel);

// Null, llama_reason() saying why, when it cannot be made or not for passes of params.n_batch.
llama_context_ptr make_llama_context(llama_model* model, const llama_context_params& params);

// Computes the batch. `who` names the model in messages; kCancelled soon after `cancel` fires.
Status run_llama(llama_context* context, const llama_batch& batch, const std::string& who,
                 const CancelToken* cancel);

Status check_tokens(std::span<const int32_t> tokens, const llama_model* model);
// They ascend, and each is one of the first `open`.
Status check_layers(std::span<const uint32_t> layers, uint32_t open, const std::string& who);

}  // namespace s3attn
