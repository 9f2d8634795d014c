// The seam to the language model. Everything above src/model/ sees only this header; the fake
// (fake_model.h) and llama.cpp (llama_model.h) implement it.
//
// Positions: token i of a call is row i of every captured tensor. A BOS token that the model wants
// in front of each chunk is added and its row dropped inside the implementation.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "s3attn/progress.h"
#include "s3attn/result.h"

namespace s3attn {

struct ModelInfo {
    std::string name;          // file name without directory
    std::string architecture;  // "llama", "qwen2", ...
    std::string file_hash;     // XXH3-128 of the original GGUF file, hex
    std::string identity;  // XXH3-128, hex: equal for all quantisations of one model; may be empty
    std::string tokenizer_hash;  // XXH3-128 over the vocabulary as the tokenizer sees it, hex
    uint32_t n_layer = 0;
    uint32_t n_head = 0;  // query heads
    uint32_t n_head_kv = 0;
    uint32_t d_head = 0;
    uint32_t n_ctx_train = 0;  // tokens
    uint64_t file_bytes = 0;
};

// Tokens of a text with exact byte offsets: token i covers bytes [begin[i], begin[i+1]) of the
// text; begin.size() == ids.size() + 1 and begin.back() == text size. Every byte belongs to
// exactly one token. Special-token text in the input ("<|im_end|>") is tokenized as text.
struct Tokens {
    std::vector<int32_t> ids;
    std::vector<uint64_t> begin;
};

class Tokenizer {
  public:
    virtual ~Tokenizer() = default;
    // Any bytes, also NUL and invalid UTF-8 (each invalid byte is tokenized as U+FFFD's
    // replacement of the same length; offsets still refer to the input).
    virtual Result<Tokens> tokenize(std::string_view text) const = 0;
    // Number of tokens of a text; equals tokenize(text).ids.size().
    virtual Result<uint32_t> count(std::string_view text) const = 0;
};

enum class Projection { kKey, kQuery };

// Rows of one layer's K or Q before RoPE, valid only inside the callback.
// Element (token t, head h, dimension d) is data[t * token_stride + h * head_stride + d].
// From capture_on_device(): of sequence s, sequence_stride * s further on, and `data` is an address
// of the CUDA device; what was computed before may be read there on any stream.
struct ProjectionView {
    uint32_t layer = 0;
    Projection projection = Projection::kKey;
    const float* data = nullptr;
    uint32_t n_tokens = 0;
    uint32_t n_heads = 0;  // KV heads for keys, query heads for queries
    uint32_t d_head = 0;
    size_t token_stride = 0;  // in floats
    size_t head_stride = 0;   // in floats
    bool on_device = false;
    uint32_t n_sequences = 1;  // each of n_tokens
    size_t sequence_stride = 0;
};
using ProjectionSink = std::function<Status(const ProjectionView&)>;

// A model opened for capture: forward passes that stop after the deepest wanted layer.
// Not thread-safe; one per thread.
class Scanner {
  public:
    virtual ~Scanner() = default;
    virtual const ModelInfo& info() const = 0;
    virtual const Tokenizer& tokenizer() const = 0;
    virtual uint32_t chunk_tokens() const = 0;  // most tokens of one capture() call

    // One independent forward pass over `tokens` (1 .. chunk_tokens()) from position 0. Delivers
    // every layer in `layers` (ascending, no duplicates) exactly once, in ascending order.
    // kUnsupported names the architecture or layer that has no per-head K; kCancelled when `cancel`
    // fired meanwhile.
    virtual Status capture(std::span<const int32_t> tokens, std::span<const uint32_t> layers,
                           Projection projection, const ProjectionSink& sink,
                           const CancelToken* cancel = nullptr) = 0;

    // Most chunks of one capture_on_device(); 0: keys do not lie on a device here.
    virtual uint32_t device_chunks() const { return 0; }
    // Keys of several independent chunks in one pass, left where they are: `tokens` are one chunk
    // of any length, or 2 .. device_chunks() whole ones, one after the other.
    virtual Status capture_on_device(std::span<const int32_t> tokens,
                                     std::span<const uint32_t> layers, const ProjectionSink& sink) {
        static_cast<void>(tokens), static_cast<void>(layers), static_cast<void>(sink);
        return make_error(ErrorCode::kUnsupported, "this scanner runs on no device");
    }
};

}  // namespace s3attn
