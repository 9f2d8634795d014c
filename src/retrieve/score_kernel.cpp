#include "retrieve/score_kernel.h"

#include <algorithm>
#include <array>

namespace s3attn {

Status to_token_form(const BlockView& block, uint32_t k, TokenForm& form) {
    if (k > UINT16_MAX || block.n_tokens > kBlockTokens || block.feature_begin.empty() ||
        block.feature_begin.back() != block.position.size() ||
        block.position.size() != block.activation.size()) {
        return make_error(ErrorCode::kCorrupt, "a decoded block has an impossible shape");
    }
    form.k = k;
    form.entry.resize(size_t{block.n_tokens} * k);
    form.count.assign(block.n_tokens, 0);
    const uint32_t latents = static_cast<uint32_t>(block.feature_begin.size()) - 1;
    uint32_t* const entry = form.entry.data();
    uint16_t* const count = form.count.data();
    for (uint32_t feature = 0; feature < latents; ++feature) {
        const uint32_t end = block.feature_begin[feature + 1];
        if (end > block.position.size()) {
            return make_error(ErrorCode::kCorrupt, "a decoded block has an impossible shape");
        }
        for (uint32_t i = block.feature_begin[feature]; i < end; ++i) {
            const uint32_t token = block.position[i];
            if (token >= block.n_tokens || count[token] >= k) {
                return make_error(ErrorCode::kCorrupt,
                                  "a block holds a token with more than k postings or a position "
                                  "past its end: verifying the store says more");
            }
            entry[size_t{token} * k + count[token]++] = feature << 8 | block.activation[i];
        }
    }
    return {};
}

void max_kernel_scalar(const TokenForm& form, uint32_t begin, uint32_t end, const int16_t* table,
                       uint32_t lanes, int16_t* running_max) {
    std::array<int16_t, kMaxGroupLanes> sum;
    for (uint32_t token = begin; token < end; ++token) {
        sum.fill(0);
        const uint32_t* entry = form.entry.data() + size_t{token} * form.k;
        for (uint32_t i = 0; i < form.count[token]; ++i) {
            const int activation = static_cast<int>(entry[i] & 0xff);
            const int16_t* row = table + size_t{entry[i] >> 8} * lanes;
            for (uint32_t lane = 0; lane < lanes; ++lane) {
                // >> of a negative number is arithmetic: rounds to nearest, halves upwards.
                const int term = (activation * row[lane] + kActivationUnit / 2) >> 8;
                sum[lane] = static_cast<int16_t>(std::clamp(sum[lane] + term, -32768, 32767));
            }
        }
        for (uint32_t lane = 0; lane < lanes; ++lane) {
            running_max[lane] = std::max(running_max[lane], sum[lane]);
        }
    }
}

MaxKernel best_max_kernel() {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) return max_kernel_avx2;
#endif
    return max_kernel_scalar;
}

}  // namespace s3attn
