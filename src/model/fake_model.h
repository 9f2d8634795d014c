// Deterministic stand-ins for a language model, for tests of everything above the model seam.
// No llama.cpp, no files: a token's key depends on a hash of its lower-cased word and a little on
// the word before it, and a query on the same, so equal words attract and retrieval over the fake
// is lexical. Link s3attn_model_fake.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "model/context_attention.h"
#include "model/language_model.h"
#include "s3attn/reader.h"

namespace s3attn {

struct FakeOptions {
    enum class Units { kWords, kBytes } units = Units::kWords;
    std::string name = "fake.gguf";
    uint32_t n_layer = 4;
    uint32_t n_head = 4;  // a multiple of n_head_kv
    uint32_t n_head_kv = 2;
    uint32_t d_head = 32;
    uint32_t chunk_tokens = 256;     // scanner
    uint32_t context_tokens = 4096;  // reader
    uint32_t seed = 1;               // another seed is another model: keys and file_hash differ
    std::string quantisation = {};   // another one is another file of the same model
    float context_weight = 0.1f;     // share of the previous token in a key or query
    float mean_weight = 1.0f;        // length of the constant vector added to every key of a head
    // Called at the start of each capture(); an Error from it is returned: tests inject failures,
    // cancellation or a kill here.
    std::function<Status()> on_capture = {};
};

// Exact offsets. kWords: a run of letters, digits and non-ASCII bytes (at most 24 bytes), with
// one space before it; every other byte alone. kBytes: each byte a token.
std::unique_ptr<Tokenizer> make_fake_tokenizer(const FakeOptions& options = {});
std::unique_ptr<Scanner> make_fake_scanner(const FakeOptions& options = {});

// Answers with the first sentence of the first numbered evidence ("[1] ...") of the last user
// message, or of the message itself when nothing is numbered.
std::unique_ptr<Reader> make_fake_reader(const FakeOptions& options = {});

// Attention in context over the same keys and queries (fake_context.cpp): causal, scale 4.
std::unique_ptr<ContextModel> make_fake_context_model(const FakeOptions& options = {});

ModelInfo fake_model_info(const FakeOptions& options = {});

}  // namespace s3attn
