#include "model/scan_copy.h"

#include <fcntl.h>

#include <exception>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/descriptor.h"
#include "base/files.h"
#include "base/owned_file.h"
#include "model/llama_support.h"

namespace s3attn {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxHashFile = 4096;

// Held while a copy is looked for or made.
Result<Descriptor> lock_copy(const std::string& path, ProgressSink* sink) {
    Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (!file.open()) return errno_error("cannot open", path);
    S3ATTN_TRY(bool ours, lock_file(file, LockKind::kExclusive, false, path));
    if (!ours && sink) sink->note("waiting for another process that makes the scan copy");
    while (!ours) {
        S3ATTN_TRY(ours, lock_file(file, LockKind::kExclusive, true, path));
    }
    return file;
}

// Whole: the file has the very bytes that were published. The hash stands beside it, written
// before the file itself gets its name.
bool is_whole(const std::string& path, const std::string& hash_path) {
    std::error_code error;
    if (!fs::exists(path, error)) return false;
    const auto expected = read_file(hash_path, kMaxHashFile);
    if (!expected.ok()) return false;
    const auto actual = hash_file(path);
    return actual.ok() && *actual == *expected;
}

// Left by makers that were killed; the lock is ours, so nobody is writing them.
void remove_stale_temporaries(const fs::path& copy) {
    std::error_code error;
    const std::string prefix = copy.filename().string() + ".";
    for (const auto& entry : fs::directory_iterator(copy.parent_path(), error)) {
        const std::string name = entry.path().filename().string();
        // Of the copy itself, and of the hash beside it.
        if (name.starts_with(prefix) &&
            name.find(".tmp.", prefix.size() - 1) != std::string::npos) {
            std::error_code ignored;
            fs::remove(entry.path(), ignored);
        }
    }
}

Status quantize(const std::string& from, const std::string& to, const ScanCopyRequest& request) {
    llama_model_quantize_params params = llama_model_quantize_default_params();
    params.nthread = static_cast<int32_t>(request.threads);
    params.ftype = request.tuning.copy_type;
    params.allow_requantize = true;
    params.quantize_output_tensor = true;
    params.max_buf_size = size_t{256} << 20;
    take_llama_errors();
    std::string why;
    try {
        if (llama_model_quantize(from.c_str(), to.c_str(), &params) == 0) return {};
        why = llama_reason();
    } catch (const std::exception& e) {
        why = e.what();
    }
    return make_error(ErrorCode::kUnsupported, "llama.cpp cannot convert " + from + ": " + why);
}

// Of these two a copy of the layers is all that is needed.
bool is_of_type(const GgufHeader& original, llama_ftype type) {
    const ggml_type is = weight_type(original);
    return (type == LLAMA_FTYPE_MOSTLY_F16 && is == GGML_TYPE_F16) ||
           (type == LLAMA_FTYPE_MOSTLY_BF16 && is == GGML_TYPE_BF16);
}

Status make_copy(const GgufHeader& original, const ScanCopyRequest& request,
                 const std::string& path, const std::string& hash_path) {
    S3ATTN_TRY(OwnedFile copy, OwnedFile::create_unique(path + ".tmp."));
    // Most architectures tie a missing output matrix to the embeddings; where one does not, the
    // copy is made again with it.
    for (const bool keep_output : {false, true}) {
        if (is_of_type(original, request.tuning.copy_type)) {
            S3ATTN_CHECK(write_sliced_gguf(original, request.layers, keep_output, copy.path()));
        } else {
            S3ATTN_TRY(const OwnedFile slice, OwnedFile::create_unique(path + ".tmp."));
            S3ATTN_CHECK(write_sliced_gguf(original, request.layers, keep_output, slice.path()));
            S3ATTN_CHECK(quantize(slice.path(), copy.path(), request));
        }
        const auto loaded = load_llama_model(copy.path(), Device::kCpu);
        if (loaded.ok()) break;
        if (keep_output) return loaded.error();
    }
    S3ATTN_TRY(const std::string hash, hash_file(copy.path()));
    S3ATTN_CHECK(write_file_atomic(hash_path, hash));
    return copy.rename_to(path);
}

}  // namespace

ggml_type weight_type(const GgufHeader& header) {
    auto* tensors = const_cast<ggml_context*>(header.tensors());
    for (const char* name : {"blk.0.attn_k.weight", "blk.0.attn_qkv.weight"}) {
        if (const ggml_tensor* tensor = ggml_get_tensor(tensors, name)) return tensor->type;
    }
    return GGML_TYPE_F32;
}

Result<std::string> ensure_scan_copy(const GgufHeader& original, const ScanCopyRequest& request,
                                     ProgressSink* sink) {
    std::error_code error;
    fs::create_directories(request.cache_dir, error);
    if (error) {
        return make_error(ErrorCode::kIo,
                          "cannot make directory " + request.cache_dir + ": " + error.message());
    }
    const std::string name = "scan-" + request.file_hash + "-L" + std::to_string(request.layers) +
                             "-" + request.tuning.copy_label + ".gguf";
    const std::string path = (fs::path(request.cache_dir) / name).string();
    const std::string hash_path = path + ".xxh3";
    if (is_whole(path, hash_path)) return path;

    S3ATTN_TRY(const Descriptor lock, lock_copy(path + ".lock", sink));
    if (is_whole(path, hash_path)) return path;
    if (sink) {
        sink->note("making a scan copy of the first " + std::to_string(request.layers) +
                   " layers in " + request.tuning.copy_label + " (once per model): " + path);
    }
    remove_stale_temporaries(path);
    S3ATTN_CHECK(make_copy(original, request, path, hash_path));
    return path;
}

}  // namespace s3attn
