// Writes the first layers of a GGUF file as a GGUF file of its own.
#include <charconv>
#include <cstdio>
#include <exception>
#include <memory>
#include <vector>

#include "base/files.h"
#include "model/scan_copy.h"

namespace s3attn {
namespace {

constexpr size_t kBlock = 1 << 20;

using File = std::unique_ptr<FILE, int (*)(FILE*)>;

// Layer of "blk.12.attn_k.weight"; -1 for a tensor of the whole model.
int64_t layer_of(std::string_view name) {
    if (!name.starts_with("blk.")) return -1;
    int64_t layer = -1;
    std::from_chars(name.data() + 4, name.data() + name.size(), layer);
    return layer;
}

bool is_output(std::string_view name) {
    return name == "output.weight" || name == "output.bias" || name == "output.scale";
}

// Fields with one value per layer keep the values of the layers that stay.
void cut_per_layer_arrays(gguf_context* out, const GgufHeader& original, uint32_t old_layers,
                          uint32_t layers) {
    const gguf_context* in = original.gguf();
    const std::string prefix = original.architecture() + ".";
    for (int64_t i = 0; i < gguf_get_n_kv(in); ++i) {
        const std::string key = gguf_get_key(in, i);
        if (!key.starts_with(prefix) || gguf_get_kv_type(in, i) != GGUF_TYPE_ARRAY) continue;
        // RoPE sections are per dimension and only by chance as many as layers.
        if (key.find(".rope.") != std::string::npos) continue;
        const gguf_type type = gguf_get_arr_type(in, i);
        if (type == GGUF_TYPE_STRING || type == GGUF_TYPE_ARRAY) continue;
        if (gguf_get_arr_n(in, i) != old_layers) continue;
        gguf_set_arr_data(out, key.c_str(), type, gguf_get_arr_data(in, i), layers);
    }
}

Status copy_bytes(FILE* in, FILE* out, uint64_t from, uint64_t bytes, const std::string& in_path,
                  const std::string& out_path) {
    if (fseeko(in, static_cast<off_t>(from), SEEK_SET) != 0) {
        return errno_error("cannot read", in_path);
    }
    std::vector<char> buffer(kBlock);
    while (bytes > 0) {
        const size_t want = static_cast<size_t>(std::min<uint64_t>(bytes, buffer.size()));
        if (std::fread(buffer.data(), 1, want, in) != want) {
            return errno_error("cannot read", in_path);
        }
        if (std::fwrite(buffer.data(), 1, want, out) != want) {
            return errno_error("cannot write", out_path);
        }
        bytes -= want;
    }
    return {};
}

Status write_padding(FILE* out, uint64_t bytes, uint64_t alignment, const std::string& path) {
    const std::vector<char> zeros(static_cast<size_t>((alignment - bytes % alignment) % alignment));
    if (!zeros.empty() && std::fwrite(zeros.data(), 1, zeros.size(), out) != zeros.size()) {
        return errno_error("cannot write", path);
    }
    return {};
}

Status write_slice(const GgufHeader& original, uint32_t layers, bool keep_output,
                   const std::string& path) {
    const gguf_context* in = original.gguf();
    const uint64_t old_layers = original.number(original.arch_key("block_count")).value_or(0);
    struct Free {
        void operator()(gguf_context* context) const { gguf_free(context); }
    };
    const std::unique_ptr<gguf_context, Free> out(gguf_init_empty());
    gguf_set_kv(out.get(), in);
    gguf_set_val_u32(out.get(), original.arch_key("block_count").c_str(), layers);
    cut_per_layer_arrays(out.get(), original, static_cast<uint32_t>(old_layers), layers);
    const std::string nextn = original.arch_key("nextn_predict_layers");
    if (gguf_find_key(in, nextn.c_str()) >= 0) gguf_set_val_u32(out.get(), nextn.c_str(), 0);

    std::vector<int64_t> kept;
    for (int64_t i = 0; i < gguf_get_n_tensors(in); ++i) {
        const char* name = gguf_get_tensor_name(in, i);
        if (layer_of(name) >= static_cast<int64_t>(layers)) continue;
        if (!keep_output && is_output(name)) continue;
        gguf_add_tensor(out.get(),
                        ggml_get_tensor(const_cast<ggml_context*>(original.tensors()), name));
        kept.push_back(i);
    }

    const File from(std::fopen(original.path().c_str(), "rb"), std::fclose);
    if (!from) return errno_error("cannot open", original.path());
    File to(std::fopen(path.c_str(), "wb"), std::fclose);
    if (!to) return errno_error("cannot write", path);
    std::vector<char> meta(gguf_get_meta_size(out.get()));
    gguf_get_meta_data(out.get(), meta.data());
    if (std::fwrite(meta.data(), 1, meta.size(), to.get()) != meta.size()) {
        return errno_error("cannot write", path);
    }
    const uint64_t alignment = gguf_get_alignment(out.get());
    for (const int64_t i : kept) {
        const uint64_t bytes = gguf_get_tensor_size(in, i);
        S3ATTN_CHECK(copy_bytes(from.get(), to.get(),
                                gguf_get_data_offset(in) + gguf_get_tensor_offset(in, i), bytes,
                                original.path(), path));
        S3ATTN_CHECK(write_padding(to.get(), bytes, alignment, path));
    }
    if (std::fclose(to.release()) != 0) return errno_error("cannot write", path);
    return {};
}

}  // namespace

Status write_sliced_gguf(const GgufHeader& original, uint32_t layers, bool keep_output,
                         const std::string& path) {
    try {
        return write_slice(original, layers, keep_output, path);
    } catch (const std::exception& e) {
        return make_error(ErrorCode::kInternal, "while writing " + path + ": " + e.what());
    }
}

}  // namespace s3attn
