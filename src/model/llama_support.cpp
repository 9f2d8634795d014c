#include "model/llama_support.h"

#include <atomic>
#include <exception>
#include <mutex>

#include "base/parallel.h"
#include "model/llama_model.h"

namespace s3attn {
namespace {

constexpr size_t kMaxErrorBytes = 600;

std::atomic<LogSink> g_log_sink{nullptr};
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
        if (const LogSink sink = g_log_sink.load(std::memory_order_relaxed)) {
            sink(sink_level(level), text);
        }
    } catch (...) {
        // A log line that cannot be kept must not unwind through C frames.
    }
}

}  // namespace

void ensure_llama_backend() {
    static std::once_flag once;
    std::call_once(once, [] {
        llama_log_set(on_log, nullptr);
        llama_backend_init();
    });
}

std::string take_llama_errors() {
    std::string errors;
    errors.swap(t_errors);
    return errors;
}

Result<llama_model_ptr> load_llama_model(const std::string& path, bool vocabulary_only) {
    ensure_llama_backend();
    take_llama_errors();
    llama_model_params params = llama_model_default_params();
    params.vocab_only = vocabulary_only;
    std::string why;
    try {
        llama_model_ptr model(llama_model_load_from_file(path.c_str(), params));
        if (model) return model;
        why = take_llama_errors();
    } catch (const std::exception& e) {
        why = e.what();
    }
    return make_error(ErrorCode::kUnsupported,
                      "llama.cpp cannot load " + path + ": " +
                          (why.empty() ? "no reason given" : why) +
                          ". Is the architecture known to this llama.cpp (" + llama_version() +
                          "), and does the model fit in memory?");
}

uint32_t thread_count(uint32_t wanted) { return wanted != 0 ? wanted : available_threads(); }

void set_llama_log(LogSink sink) {
    ensure_llama_backend();
    g_log_sink.store(sink, std::memory_order_relaxed);
}

}  // namespace s3attn
