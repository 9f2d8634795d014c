#include "model/prefill.h"

#include <algorithm>

#include "base/timing.h"
#include "model/llama_layers.h"
#include "model/llama_support.h"

namespace s3attn {

Result<double> full_prefill_rate(const std::string& model_path, uint32_t threads,
                                 uint32_t chunk_tokens, std::span<const int32_t> tokens) {
    ensure_llama_backend();
    S3ATTN_TRY(const llama_model_ptr model, load_llama_model(model_path));
    llama_context_params params = llama_context_default_params();
    params.n_ctx = params.n_batch = params.n_ubatch = chunk_tokens;
    params.n_outputs_max = 1;
    params.n_threads = params.n_threads_batch = static_cast<int32_t>(thread_count(threads));
    const llama_context_ptr context(llama_init_from_model(model.get(), params));
    if (!context) {
        return make_error(ErrorCode::kUnsupported,
                          "no context for " + model_path + ": " + llama_reason());
    }
    LlamaBatch batch(chunk_tokens);
    double seconds = 0;
    for (size_t begin = 0; begin < tokens.size(); begin += chunk_tokens) {
        const size_t n = std::min<size_t>(chunk_tokens, tokens.size() - begin);
        batch.clear();
        for (size_t i = 0; i < n; ++i) batch.push(tokens[begin + i], i);
        llama_memory_clear(llama_get_memory(context.get()), false);
        const Stopwatch watch;
        S3ATTN_CHECK(run_llama(context.get(), batch.get(), model_path, nullptr));
        seconds += watch.seconds();
    }
    return static_cast<double>(tokens.size()) / std::max(seconds, 1e-9);
}

}  // namespace s3attn
