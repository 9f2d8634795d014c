// The header of a GGUF file, checked before anything relies on it: no weights are read.
#pragma once

#include <ggml-cpp.h>
#include <gguf.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/language_model.h"
#include "s3attn/result.h"

namespace s3attn {

class GgufHeader {
  public:
    // Fails when the file is absent, a directory, empty, not GGUF, one part of a split model,
    // or shorter than its tensors need.
    static Result<GgufHeader> open(const std::string& path);

    const gguf_context* gguf() const { return gguf_.get(); }
    // Shapes and types of the tensors; no data.
    const ggml_context* tensors() const { return tensors_.get(); }
    uint64_t file_bytes() const { return file_bytes_; }
    const std::string& path() const { return path_; }

    // Typed access; absent or of another type: nullopt (an array: of integers of any width).
    std::optional<std::string> text(const std::string& key) const;
    std::optional<uint64_t> number(const std::string& key) const;
    std::optional<bool> flag(const std::string& key) const;
    std::optional<std::vector<uint64_t>> numbers(const std::string& key) const;

    std::string architecture() const { return text("general.architecture").value_or(""); }
    // The architecture's own key: arch_key("block_count") is "llama.block_count".
    std::string arch_key(const std::string& suffix) const { return architecture() + "." + suffix; }
    // A per-model number, or one value per layer; missing: nullopt.
    std::optional<uint64_t> per_layer(const std::string& key, uint32_t layer) const;

  private:
    struct GgufFree {
        void operator()(gguf_context* context) const { gguf_free(context); }
    };
    std::string path_;
    uint64_t file_bytes_ = 0;
    std::unique_ptr<gguf_context, GgufFree> gguf_;
    ggml_context_ptr tensors_;
};

// XXH3-128 over the model's tokenizer.ggml.* fields: pieces, types, scores, merges, flags.
std::string tokenizer_hash(const GgufHeader& header);

// hash_file() of a model, computed once per process while the file stays as it is: reading a large
// model through takes as long as loading it.
Result<std::string> model_file_hash(const std::string& path);

// Everything but file_hash and identity.
Result<ModelInfo> model_info_from_header(const GgufHeader& header);

// kUnsupported, naming the architecture, when the header already shows that the model has no
// per-head keys (latent attention, recurrent layers only, an encoder). `layers`: how many of the
// first layers matter.
Status check_has_keys(const GgufHeader& header, uint32_t layers);

}  // namespace s3attn
