#include "model/model_identity.h"

#include <ggml.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <vector>

#include "base/files.h"

namespace s3attn {
namespace {

constexpr int64_t kMostValues = int64_t{1} << 24;  // of one norm or bias; real ones have thousands

bool is_layer_tensor(std::string_view name) { return name.starts_with("blk."); }

bool is_norm_or_bias(std::string_view name) {
    return name.ends_with("norm.weight") || name.ends_with(".bias");
}

void append_number(std::string& out, int64_t value) { out += std::to_string(value) + ";"; }

// The tensor's values as F32; empty for a type that has no such reading.
Result<std::vector<float>> read_values(std::FILE* file, const GgufHeader& header, int64_t id,
                                       const ggml_tensor& tensor) {
    const int64_t n = ggml_nelements(&tensor);
    const ggml_type_traits* traits = ggml_get_type_traits(tensor.type);
    const bool plain = tensor.type == GGML_TYPE_F32;
    if (n <= 0 || n > kMostValues || (!plain && traits->to_float == nullptr)) {
        return std::vector<float>();
    }
    std::string bytes(gguf_get_tensor_size(header.gguf(), id), '\0');
    const uint64_t at =
        gguf_get_data_offset(header.gguf()) + gguf_get_tensor_offset(header.gguf(), id);
    if (fseeko(file, static_cast<off_t>(at), SEEK_SET) != 0 ||
        std::fread(bytes.data(), 1, bytes.size(), file) != bytes.size()) {
        return errno_error("cannot read", header.path());
    }
    std::vector<float> values(static_cast<size_t>(n));
    if (plain) {
        std::copy_n(bytes.data(), values.size() * sizeof(float),
                    reinterpret_cast<char*>(values.data()));
    } else {
        traits->to_float(bytes.data(), values.data(), n);
    }
    return values;
}

// The texts of the vocabulary and its merges.
std::string vocabulary_bytes(const GgufHeader& header) {
    std::string bytes;
    for (const char* key : {"tokenizer.ggml.model", "tokenizer.ggml.pre"}) {
        bytes += header.text(key).value_or("") + '\0';
    }
    for (const char* key : {"tokenizer.ggml.tokens", "tokenizer.ggml.merges"}) {
        const int64_t id = gguf_find_key(header.gguf(), key);
        if (id < 0 || gguf_get_kv_type(header.gguf(), id) != GGUF_TYPE_ARRAY ||
            gguf_get_arr_type(header.gguf(), id) != GGUF_TYPE_STRING) {
            continue;
        }
        const size_t n = gguf_get_arr_n(header.gguf(), id);
        append_number(bytes, static_cast<int64_t>(n));
        for (size_t i = 0; i < n; ++i) {
            const std::string_view piece = gguf_get_arr_str(header.gguf(), id, i);
            append_number(bytes, static_cast<int64_t>(piece.size()));
            bytes += piece;
        }
    }
    return bytes;
}

}  // namespace

Result<std::string> model_identity(const GgufHeader& header) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(
        std::fopen(header.path().c_str(), "rb"), std::fclose);
    if (!file) return errno_error("cannot open", header.path());
    std::map<std::string, std::string> parts;  // by name: files hold tensors in any order
    bool has_norms = false;
    for (ggml_tensor* tensor = ggml_get_first_tensor(header.tensors()); tensor != nullptr;
         tensor = ggml_get_next_tensor(header.tensors(), tensor)) {
        const std::string name = ggml_get_name(tensor);
        const int64_t id = gguf_find_tensor(header.gguf(), name.c_str());
        if (id < 0 || (!is_layer_tensor(name) && !is_norm_or_bias(name))) continue;
        std::string& part = parts[name];
        for (const int64_t extent : tensor->ne) append_number(part, extent);
        if (!is_norm_or_bias(name)) continue;
        S3ATTN_TRY(const std::vector<float> values, read_values(file.get(), header, id, *tensor));
        part += hash_bytes(
            {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
        has_norms = has_norms || (!values.empty() && name.ends_with("norm.weight"));
    }
    if (!has_norms) return std::string();
    std::string all = "s3attn model 1;" + header.architecture() + ";";
    for (const auto& [name, part] : parts) all += name + ";" + part + ";";
    return hash_bytes(all + hash_bytes(vocabulary_bytes(header)));
}

}  // namespace s3attn
