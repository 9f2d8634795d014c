#include "model/prefill.h"

#include <algorithm>
#include <vector>

#include "base/timing.h"
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
    llama_batch batch = llama_batch_init(static_cast<int32_t>(chunk_tokens), 0, 1);
    double seconds = 0;
    bool failed = false;
    for (size_t begin = 0; begin < tokens.size() && !failed; begin += chunk_tokens) {
        const size_t n = std::min<size_t>(chunk_tokens, tokens.size() - begin);
        batch.n_tokens = static_cast<int32_t>(n);
        for (size_t i = 0; i < n; ++i) {
            batch.token[i] = tokens[begin + i];
            batch.pos[i] = static_cast<llama_pos>(i);
            batch.n_seq_id[i] = 1;
            batch.seq_id[i][0] = 0;
            batch.logits[i] = 0;
        }
        llama_memory_clear(llama_get_memory(context.get()), false);
        const Stopwatch watch;
        failed = llama_decode(context.get(), batch) != 0;
        seconds += watch.seconds();
    }
    llama_batch_free(batch);
    if (failed)
        return make_error(ErrorCode::kInternal, "llama.cpp could not prefill " + model_path);
    return static_cast<double>(tokens.size()) / std::max(seconds, 1e-9);
}

}  // namespace s3attn
