#include "model/full_kv.h"

#include <algorithm>

#include "base/timing.h"
#include "model/llama_support.h"

namespace s3attn {
namespace {

constexpr uint32_t kBatch = 2048;

Status decode(llama_context* context, std::span<llama_token> tokens) {
    const llama_batch batch =
        llama_batch_get_one(tokens.data(), static_cast<int32_t>(tokens.size()));
    if (llama_decode(context, batch) == 0) return {};
    return make_error(ErrorCode::kInternal, "llama.cpp could not decode: " + llama_reason());
}

Result<FullKvRun> run(llama_model* model, uint32_t length, uint32_t generated) {
    llama_context_params params = llama_context_default_params();
    params.n_ctx = length + generated;
    params.n_batch = params.n_ubatch = kBatch;
    params.n_outputs_max = 1;
    params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED;
    params.no_perf = true;
    const llama_context_ptr context(llama_init_from_model(model, params));
    if (!context) {
        return make_error(ErrorCode::kUnsupported, "no context of " + std::to_string(params.n_ctx) +
                                                       " tokens: " + llama_reason());
    }
    const auto n_vocab = static_cast<uint32_t>(llama_vocab_n_tokens(llama_model_get_vocab(model)));
    std::vector<llama_token> tokens(length);
    for (uint32_t i = 0; i < length; ++i) {
        tokens[i] = static_cast<llama_token>(1000 + i * 7919u % (n_vocab / 2));
    }
    // The first pass sizes buffers and starts kernels; not of the prompt's cost.
    std::vector<llama_token> warm(tokens.begin(), tokens.begin() + std::min(length, kBatch));
    S3ATTN_CHECK(decode(context.get(), warm));
    llama_synchronize(context.get());
    llama_memory_clear(llama_get_memory(context.get()), false);

    FullKvRun result;
    result.tokens = length;
    const Stopwatch prefill;
    for (uint32_t at = 0; at < length; at += kBatch) {
        const uint32_t n = std::min(kBatch, length - at);
        S3ATTN_CHECK(decode(context.get(), std::span(tokens).subspan(at, n)));
    }
    llama_synchronize(context.get());
    result.prefill_seconds = prefill.seconds();
    const Stopwatch generate;
    for (uint32_t i = 0; i < generated; ++i) {
        const float* logits = llama_get_logits_ith(context.get(), -1);
        if (logits == nullptr) return make_error(ErrorCode::kInternal, "no logits");
        llama_token next =
            static_cast<llama_token>(std::max_element(logits, logits + n_vocab) - logits);
        S3ATTN_CHECK(decode(context.get(), {&next, 1}));
    }
    llama_synchronize(context.get());
    result.decode_ms = generate.milliseconds() / std::max(1u, generated);
    return result;
}

}  // namespace

Result<std::vector<FullKvRun>> full_kv_runs(const std::string& model_path, Device device,
                                            std::span<const uint32_t> lengths, uint32_t generated) {
    S3ATTN_TRY(const llama_model_ptr model, load_llama_model(model_path, device));
    std::vector<FullKvRun> runs;
    for (const uint32_t length : lengths) {
        S3ATTN_TRY(const FullKvRun one, run(model.get(), length, generated));
        runs.push_back(one);
    }
    return runs;
}

}  // namespace s3attn
