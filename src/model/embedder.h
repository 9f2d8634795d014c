// A sentence embedder (BERT and the like) behind the model seam: texts in, unit vectors out.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "s3attn/result.h"

namespace s3attn {

// Not thread-safe.
class Embedder {
  public:
    virtual ~Embedder() = default;
    virtual uint32_t dimension() const = 0;
    // One vector of norm 1 per text; of a text longer than EmbedderOptions::max_tokens only the
    // beginning counts. An empty text has a vector too (that of the special tokens).
    virtual Result<std::vector<std::vector<float>>> embed(std::span<const std::string> texts) = 0;
};

struct EmbedderOptions {
    std::string model_path;     // GGUF of an encoder with a pooling of its own
    uint32_t threads = 0;       // 0: all cores of this process
    uint32_t max_tokens = 256;  // special tokens included; what sentence-transformers gives MiniLM
};
// kUnsupported for a model that makes no sentence embeddings.
Result<std::unique_ptr<Embedder>> open_llama_embedder(const EmbedderOptions& options);

}  // namespace s3attn
