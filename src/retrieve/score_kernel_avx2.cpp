// Compiled with -mavx2 -mfma; called only where the processor has both.
#include "retrieve/score_kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace s3attn {
namespace {

// N registers of sums per token: the whole lane group. A posting costs N fused multiply-adds, each
// with its operand straight from the table's row, and no store.
template <int N>
void max_run(const TokenForm& form, uint32_t begin, uint32_t end, const float* table,
             float* running_max) {
    const uint32_t k = form.k;
    const uint32_t* entries = form.entry.data();
    const uint16_t* counts = form.count.data();
    for (uint32_t token = begin; token < end; ++token) {
        __m256 sum[N];
        for (int n = 0; n < N; ++n) sum[n] = _mm256_setzero_ps();
        const uint32_t* entry = entries + size_t{token} * k;
        const uint32_t* const last = entry + counts[token];
        for (; entry != last; ++entry) {
            const __m256 activation = _mm256_set1_ps(static_cast<float>(*entry & 0xff));
            const float* row = table + size_t{*entry >> 8} * (N * kLaneWidth);
            for (int n = 0; n < N; ++n) {
                sum[n] = _mm256_fmadd_ps(activation, _mm256_loadu_ps(row + n * kLaneWidth), sum[n]);
            }
        }
        for (int n = 0; n < N; ++n) {
            float* out = running_max + n * kLaneWidth;
            _mm256_storeu_ps(out, _mm256_max_ps(_mm256_loadu_ps(out), sum[n]));
        }
    }
}

}  // namespace

void max_kernel_avx2(const TokenForm& form, uint32_t begin, uint32_t end, const float* table,
                     uint32_t lanes, float* running_max) {
    switch (lanes / kLaneWidth) {
        case 1: return max_run<1>(form, begin, end, table, running_max);
        case 2: return max_run<2>(form, begin, end, table, running_max);
        case 3: return max_run<3>(form, begin, end, table, running_max);
        case 4: return max_run<4>(form, begin, end, table, running_max);
        case 5: return max_run<5>(form, begin, end, table, running_max);
        case 6: return max_run<6>(form, begin, end, table, running_max);
        case 7: return max_run<7>(form, begin, end, table, running_max);
        case 8: return max_run<8>(form, begin, end, table, running_max);
    }
    max_kernel_scalar(form, begin, end, table, lanes, running_max);
}

}  // namespace s3attn
#endif
