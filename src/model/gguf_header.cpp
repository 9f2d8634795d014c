#include "model/gguf_header.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <limits>
#include <map>
#include <mutex>

#include "base/checked.h"
#include "base/files.h"
#include "model/llama_model.h"
#include "model/llama_support.h"
#include "model/model_identity.h"

namespace s3attn {
namespace {

constexpr size_t kMinHeaderBytes = 24;  // magic, version, two counts

Error not_a_model(const std::string& path, const std::string& why) {
    return make_error(ErrorCode::kCorrupt, path + " is not a usable GGUF model: " + why +
                                               ". Fetch the file again, or name another one.");
}

// Readable messages for what gguf.h would only call a failure.
Result<uint64_t> check_file(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) {
        if (errno == ENOENT || errno == ENOTDIR) {
            return make_error(ErrorCode::kNotFound,
                              "there is no model at " + path + "; name the GGUF file of a model.");
        }
        return errno_error("cannot open", path);
    }
    if (S_ISDIR(info.st_mode)) {
        return make_error(ErrorCode::kInvalidArgument,
                          path + " is a directory; name the GGUF file inside it.");
    }
    if (!S_ISREG(info.st_mode)) {
        return make_error(ErrorCode::kInvalidArgument, path + " is not a regular file.");
    }
    const auto size = static_cast<uint64_t>(info.st_size);
    if (size == 0) return not_a_model(path, "the file is empty");

    std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
    if (!file) return errno_error("cannot open", path);
    char magic[4] = {};
    const size_t got = std::fread(magic, 1, sizeof magic, file.get());
    if (got < sizeof magic || std::memcmp(magic, "GGUF", 4) != 0) {
        return not_a_model(path, "it does not start with the letters GGUF");
    }
    if (size < kMinHeaderBytes) {
        return not_a_model(path,
                           "it ends inside the header, after " + std::to_string(size) + " bytes");
    }
    return size;
}

Status check_extents(const gguf_context* gguf, uint64_t file_bytes, const std::string& path) {
    const uint64_t data = gguf_get_data_offset(gguf);
    uint64_t needed = data;
    for (int64_t i = 0; i < gguf_get_n_tensors(gguf); ++i) {
        const auto begin = checked_add<uint64_t>(data, gguf_get_tensor_offset(gguf, i));
        const auto end =
            begin ? checked_add<uint64_t>(*begin, gguf_get_tensor_size(gguf, i)) : std::nullopt;
        if (!end) {
            return not_a_model(path, std::string("tensor ") + gguf_get_tensor_name(gguf, i) +
                                         " lies outside any file");
        }
        needed = std::max(needed, *end);
    }
    if (needed > file_bytes) {
        return not_a_model(path, "it is cut off: " + std::to_string(needed - file_bytes) +
                                     " bytes are missing (it has " + std::to_string(file_bytes) +
                                     ", its tensors need " + std::to_string(needed) + ")");
    }
    return {};
}

template <class T>
uint64_t non_negative(T value) {
    return value < 0 ? 0 : static_cast<uint64_t>(value);
}

// One integer of a field's data; nullopt for types that are not integers.
std::optional<uint64_t> integer_at(gguf_type type, const void* data, size_t i) {
    switch (type) {
        case GGUF_TYPE_UINT8: return static_cast<const uint8_t*>(data)[i];
        case GGUF_TYPE_INT8: return non_negative(static_cast<const int8_t*>(data)[i]);
        case GGUF_TYPE_UINT16: return static_cast<const uint16_t*>(data)[i];
        case GGUF_TYPE_INT16: return non_negative(static_cast<const int16_t*>(data)[i]);
        case GGUF_TYPE_UINT32: return static_cast<const uint32_t*>(data)[i];
        case GGUF_TYPE_INT32: return non_negative(static_cast<const int32_t*>(data)[i]);
        case GGUF_TYPE_UINT64: return static_cast<const uint64_t*>(data)[i];
        case GGUF_TYPE_INT64: return non_negative(static_cast<const int64_t*>(data)[i]);
        default: return std::nullopt;
    }
}

size_t type_bytes(gguf_type type) {
    switch (type) {
        case GGUF_TYPE_UINT8:
        case GGUF_TYPE_INT8:
        case GGUF_TYPE_BOOL: return 1;
        case GGUF_TYPE_UINT16:
        case GGUF_TYPE_INT16: return 2;
        case GGUF_TYPE_UINT32:
        case GGUF_TYPE_INT32:
        case GGUF_TYPE_FLOAT32: return 4;
        case GGUF_TYPE_UINT64:
        case GGUF_TYPE_INT64:
        case GGUF_TYPE_FLOAT64: return 8;
        default: return 0;
    }
}

void append_length(std::string& out, uint64_t n) {
    for (int shift = 0; shift < 64; shift += 8) out += static_cast<char>((n >> shift) & 0xff);
}

void append_field(std::string& out, const gguf_context* gguf, int64_t id) {
    const gguf_type type = gguf_get_kv_type(gguf, id);
    out += gguf_get_key(gguf, id);
    out += '\0';
    out += static_cast<char>(type);
    if (type == GGUF_TYPE_STRING) {
        const std::string_view value = gguf_get_val_str(gguf, id);
        append_length(out, value.size());
        out += value;
        return;
    }
    if (type != GGUF_TYPE_ARRAY) {
        out.append(static_cast<const char*>(gguf_get_val_data(gguf, id)), type_bytes(type));
        return;
    }
    const gguf_type element = gguf_get_arr_type(gguf, id);
    const size_t n = gguf_get_arr_n(gguf, id);
    out += static_cast<char>(element);
    append_length(out, n);
    if (element == GGUF_TYPE_STRING) {
        for (size_t i = 0; i < n; ++i) {
            const std::string_view value = gguf_get_arr_str(gguf, id, i);
            append_length(out, value.size());
            out += value;
        }
    } else if (type_bytes(element) != 0 && n != 0) {
        out.append(static_cast<const char*>(gguf_get_arr_data(gguf, id)), n * type_bytes(element));
    }
}

}  // namespace

Result<GgufHeader> GgufHeader::open(const std::string& path) {
    ensure_llama_backend();
    GgufHeader header;
    header.path_ = path;
    S3ATTN_TRY(header.file_bytes_, check_file(path));
    take_llama_errors();
    ggml_context* tensors = nullptr;
    std::string why;
    try {
        header.gguf_.reset(gguf_init_from_file(path.c_str(), {.no_alloc = true, .ctx = &tensors}));
    } catch (const std::exception& e) {
        why = e.what();
    }
    header.tensors_.reset(tensors);
    if (!header.gguf_) {
        if (why.empty()) why = llama_reason();
        return not_a_model(path, "its header is cut off or damaged (" + why + ")");
    }
    if (header.architecture().empty()) {
        return not_a_model(path, "general.architecture is missing");
    }
    if (header.number("split.count").value_or(1) > 1) {
        return make_error(ErrorCode::kUnsupported,
                          path +
                              " is one part of a split model; join the parts first with "
                              "`llama-gguf-split --merge`.");
    }
    S3ATTN_CHECK(check_extents(header.gguf_.get(), header.file_bytes_, path));
    return header;
}

std::optional<std::string> GgufHeader::text(const std::string& key) const {
    const int64_t id = gguf_find_key(gguf_.get(), key.c_str());
    if (id < 0 || gguf_get_kv_type(gguf_.get(), id) != GGUF_TYPE_STRING) return std::nullopt;
    return gguf_get_val_str(gguf_.get(), id);
}

std::optional<uint64_t> GgufHeader::number(const std::string& key) const {
    const int64_t id = gguf_find_key(gguf_.get(), key.c_str());
    if (id < 0) return std::nullopt;
    const gguf_type type = gguf_get_kv_type(gguf_.get(), id);
    if (type == GGUF_TYPE_ARRAY || type == GGUF_TYPE_STRING) return std::nullopt;
    return integer_at(type, gguf_get_val_data(gguf_.get(), id), 0);
}

std::optional<bool> GgufHeader::flag(const std::string& key) const {
    const int64_t id = gguf_find_key(gguf_.get(), key.c_str());
    if (id < 0 || gguf_get_kv_type(gguf_.get(), id) != GGUF_TYPE_BOOL) return std::nullopt;
    return gguf_get_val_bool(gguf_.get(), id);
}

std::optional<std::vector<uint64_t>> GgufHeader::numbers(const std::string& key) const {
    const int64_t id = gguf_find_key(gguf_.get(), key.c_str());
    if (id < 0 || gguf_get_kv_type(gguf_.get(), id) != GGUF_TYPE_ARRAY) return std::nullopt;
    const gguf_type type = gguf_get_arr_type(gguf_.get(), id);
    if (type == GGUF_TYPE_STRING || type == GGUF_TYPE_ARRAY) return std::nullopt;
    const void* data = gguf_get_arr_data(gguf_.get(), id);
    std::vector<uint64_t> values;
    for (size_t i = 0; i < gguf_get_arr_n(gguf_.get(), id); ++i) {
        const auto value = integer_at(type, data, i);
        if (!value) return std::nullopt;
        values.push_back(*value);
    }
    return values;
}

std::optional<uint64_t> GgufHeader::per_layer(const std::string& key, uint32_t layer) const {
    if (const auto one = number(key)) return one;
    const auto all = numbers(key);
    if (!all || layer >= all->size()) return std::nullopt;
    return (*all)[layer];
}

std::string tokenizer_hash(const GgufHeader& header) {
    const gguf_context* gguf = header.gguf();
    std::vector<std::pair<std::string, int64_t>> fields;
    for (int64_t i = 0; i < gguf_get_n_kv(gguf); ++i) {
        const std::string key = gguf_get_key(gguf, i);
        if (key.starts_with("tokenizer.ggml.")) fields.emplace_back(key, i);
    }
    std::sort(fields.begin(), fields.end());  // converters write the fields in any order
    std::string bytes;
    for (const auto& [key, id] : fields) append_field(bytes, gguf, id);
    return hash_bytes(bytes);
}

Result<std::string> model_file_hash(const std::string& path) {
    struct Known {
        uintmax_t size;
        std::filesystem::file_time_type written;
        std::string hash;
    };
    static std::mutex mutex;
    static std::map<std::string, Known> known;
    std::error_code error;
    const auto file = std::filesystem::absolute(path, error).string();
    const auto size = std::filesystem::file_size(path, error);
    const auto written = std::filesystem::last_write_time(path, error);
    if (error) return hash_file(path);
    {
        const std::lock_guard lock(mutex);
        const auto found = known.find(file);
        if (found != known.end() && found->second.size == size &&
            found->second.written == written) {
            return found->second.hash;
        }
    }
    S3ATTN_TRY(const std::string hash, hash_file(path));
    const std::lock_guard lock(mutex);
    known[file] = {size, written, hash};
    return hash;
}

Result<ModelInfo> model_info_from_header(const GgufHeader& header) {
    ModelInfo info;
    info.name = std::filesystem::path(header.path()).filename().string();
    info.architecture = header.architecture();
    info.file_bytes = header.file_bytes();
    info.tokenizer_hash = tokenizer_hash(header);
    const auto layers = header.number(header.arch_key("block_count"));
    const auto width = header.number(header.arch_key("embedding_length"));
    if (!layers || *layers == 0 || *layers > 100000 || !width || *width == 0) {
        return make_error(ErrorCode::kUnsupported,
                          header.path() + " (architecture " + info.architecture +
                              ") is not a language model: it states no layers. An adapter, "
                              "projector or image model cannot be used here.");
    }
    info.n_layer = static_cast<uint32_t>(*layers);
    // Hybrid models have zeros for their recurrent layers: take the first layer with heads.
    const auto first_nonzero = [&](const std::string& key) {
        uint64_t value = 0;
        for (uint32_t i = 0; i < info.n_layer && value == 0; ++i) {
            value = header.per_layer(key, i).value_or(0);
        }
        return static_cast<uint32_t>(std::min<uint64_t>(value, 1u << 20));
    };
    info.n_head = first_nonzero(header.arch_key("attention.head_count"));
    info.n_head_kv = first_nonzero(header.arch_key("attention.head_count_kv"));
    if (info.n_head_kv == 0) info.n_head_kv = info.n_head;
    const auto length = header.number(header.arch_key("attention.key_length"));
    if (length) {
        info.d_head = static_cast<uint32_t>(*length);
    } else if (info.n_head != 0) {
        info.d_head = static_cast<uint32_t>(*width / info.n_head);
    }
    info.n_ctx_train = static_cast<uint32_t>(
        std::min<uint64_t>(header.number(header.arch_key("context_length")).value_or(0),
                           std::numeric_limits<uint32_t>::max()));
    return info;
}

Status check_has_keys(const GgufHeader& header, uint32_t layers) {
    const std::string who = header.path() + " (architecture " + header.architecture() + ") ";
    const std::string next =
        " Choose a model with ordinary attention, for example of the llama, "
        "qwen2, qwen3, gemma3 or phi3 architecture.";
    const auto refuse = [&](const std::string& why) {
        return make_error(ErrorCode::kUnsupported, who + why + next);
    };
    if (header.number(header.arch_key("attention.kv_lora_rank")).value_or(0) != 0) {
        return refuse("uses latent attention (MLA), which has no per-head keys.");
    }
    if (header.flag(header.arch_key("attention.causal")) == false) {
        return refuse("is an encoder: its keys depend on text that follows.");
    }
    uint32_t with_heads = 0;
    for (uint32_t i = 0; i < layers; ++i) {
        const auto heads = header.per_layer(header.arch_key("attention.head_count"), i);
        const auto kv = header.per_layer(header.arch_key("attention.head_count_kv"), i);
        if (heads.value_or(0) != 0 && kv.value_or(1) != 0) ++with_heads;
    }
    if (with_heads == 0) {
        return refuse("has only recurrent layers there, which have no keys.");
    }
    return {};
}

Result<ModelInfo> read_model_info(const std::string& model_path) {
    S3ATTN_TRY(const GgufHeader header, GgufHeader::open(model_path));
    S3ATTN_TRY(ModelInfo info, model_info_from_header(header));
    S3ATTN_TRY(info.file_hash, model_file_hash(model_path));
    S3ATTN_TRY(info.identity, model_identity(header));
    return info;
}

}  // namespace s3attn
