#include "model/llama_support.h"

#include <ggml-backend.h>

#include <atomic>
#include <exception>
#include <mutex>

#include "base/parallel.h"
#include "model/gguf_header.h"
#include "model/llama_model.h"
#include "s3attn/model_log.h"
#include "s3attn/reason.h"

namespace s3attn {
namespace {

constexpr size_t kMaxErrorBytes = 600;

std::atomic<bool> g_log_set{false};
std::atomic<ModelLog> g_log_sink{nullptr};
thread_local std::string t_errors;
thread_local ggml_log_level t_level = GGML_LOG_LEVEL_NONE;  // of the line that CONT continues

int sink_level(ggml_log_level level) {
    switch (level) {
        case GGML_LOG_LEVEL_DEBUG: return 0;
        case GGML_LOG_LEVEL_WARN: return 2;
        case GGML_LOG_LEVEL_ERROR: return 3;
        default: return 1;
    }
}

void keep_error(std::string_view line) {
    while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.remove_suffix(1);
    if (line.empty() || t_errors.size() + line.size() > kMaxErrorBytes) return;
    if (!t_errors.empty()) t_errors += "; ";
    t_errors += line;
}

void on_log(ggml_log_level level, const char* text, void*) noexcept {
    if (text == nullptr) return;
    if (level == GGML_LOG_LEVEL_CONT) {
        level = t_level;
    } else {
        t_level = level;
    }
    try {
        if (level == GGML_LOG_LEVEL_ERROR) keep_error(text);
        if (const ModelLog sink = g_log_sink.load(std::memory_order_relaxed)) {
            sink(sink_level(level), text);
        }
    } catch (...) {
        // A log line that cannot be kept must not unwind through C frames.
    }
}

}  // namespace

void ensure_llama_backend() {
    static std::once_flag once;
    std::call_once(once, [] { llama_backend_init(); });
}

std::string take_llama_errors() {
    std::string errors;
    errors.swap(t_errors);
    return errors;
}

std::string llama_reason() {
    std::string errors = take_llama_errors();
    if (!errors.empty()) return errors;
    return g_log_set ? "no reason given" : "llama.cpp's log says why";
}

namespace {

Result<llama_model_ptr> load(const std::string& path, const llama_model_params& params,
                             const CancelToken* cancel = nullptr) {
    if (cancel != nullptr && cancel->cancelled()) {
        return make_error(ErrorCode::kCancelled, "interrupted while " + path + " was loaded");
    }
    take_llama_errors();
    std::string why;
    try {
        llama_model_ptr model(llama_model_load_from_file(path.c_str(), params));
        if (model) return model;
        if (cancel != nullptr && cancel->cancelled()) {
            return make_error(ErrorCode::kCancelled, "interrupted while " + path + " was loaded");
        }
        why = llama_reason();
    } catch (const std::exception& e) {
        why = e.what();
    }
    return make_error(ErrorCode::kUnsupported,
                      "llama.cpp cannot load " + path + ": " + why +
                          ". Is the architecture known to this llama.cpp (" + llama_version() +
                          "), and does the model fit in memory?");
}

ggml_backend_dev_t cuda_device() {
    ensure_llama_backend();
    for (size_t i = 0; i < ggml_backend_dev_count(); ++i) {
        const ggml_backend_dev_t device = ggml_backend_dev_get(i);
        if (ggml_backend_dev_type(device) == GGML_BACKEND_DEVICE_TYPE_GPU &&
            std::string_view(ggml_backend_dev_name(device)).starts_with("CUDA")) {
            return device;
        }
    }
    return nullptr;
}

// Whether the device can look up rows of the file's embeddings; it cannot for every weight type,
// and would then be sent the whole matrix each time.
bool device_has_embeddings(ggml_backend_dev_t device, const std::string& path) {
    const auto header = GgufHeader::open(path);
    if (!header.ok()) return false;
    const ggml_tensor* embeddings =
        ggml_get_tensor(const_cast<ggml_context*>(header->tensors()), "token_embd.weight");
    if (embeddings == nullptr) return false;
    ggml_init_params memory{4 * ggml_tensor_overhead(), nullptr, true};
    const ggml_context_ptr context(ggml_init(memory));
    if (!context) return false;
    ggml_tensor* rows = ggml_get_rows(
        context.get(),
        ggml_new_tensor_2d(context.get(), embeddings->type, embeddings->ne[0], embeddings->ne[1]),
        ggml_new_tensor_1d(context.get(), GGML_TYPE_I32, 32));
    return ggml_backend_dev_supports_op(device, rows);
}

}  // namespace

Status llama_cuda_status() {
    if (cuda_device() != nullptr) return {};
    return make_error(ErrorCode::kUnsupported, reason::kNoDevice, "device",
                      std::string("the llama.cpp in use (") + llama_version() +
                          ") has no CUDA device; one built with CUDA has (`make CUDA=1`, "
                          "docs/gpu.md)");
}

std::string llama_device_name(Device device) {
    const ggml_backend_dev_t card = device == Device::kCpu ? nullptr : cuda_device();
    return card == nullptr ? "CPU" : std::string("CUDA: ") + ggml_backend_dev_description(card);
}

Result<llama_model_ptr> load_llama_model(const std::string& path, Device device,
                                         const CancelToken* cancel) {
    ensure_llama_backend();
    llama_model_params params = llama_model_default_params();
    if (cancel != nullptr) {
        params.progress_callback = [](float, void* token) {
            return !static_cast<const CancelToken*>(token)->cancelled();
        };
        params.progress_callback_user_data = const_cast<CancelToken*>(cancel);
    }
    ggml_backend_dev_t devices[2] = {nullptr, nullptr};
    llama_model_tensor_buft_override overrides[2] = {{nullptr, nullptr}, {nullptr, nullptr}};
    if (device != Device::kAuto) params.devices = devices;
    if (device == Device::kCpu) params.n_gpu_layers = 0;
    if (device == Device::kCuda) {
        S3ATTN_CHECK(llama_cuda_status());
        devices[0] = cuda_device();
        params.split_mode = LLAMA_SPLIT_MODE_NONE;
        if (device_has_embeddings(devices[0], path)) {
            overrides[0] = {"^token_embd\\.weight$", ggml_backend_dev_buffer_type(devices[0])};
            params.tensor_buft_overrides = overrides;
        }
    }
    return load(path, params, cancel);
}

Result<llama_model_ptr> load_llama_vocabulary(const std::string& path) {
    ensure_llama_backend();
    llama_model_params params = llama_model_default_params();
    params.vocab_only = true;
    return load(path, params);
}

uint32_t thread_count(uint32_t wanted) { return wanted != 0 ? wanted : available_threads(); }

void set_model_log(ModelLog sink) {
    g_log_sink.store(sink, std::memory_order_relaxed);
    g_log_set = true;
    llama_log_set(on_log, nullptr);
}

}  // namespace s3attn
