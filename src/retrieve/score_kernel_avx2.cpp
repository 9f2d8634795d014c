// Compiled with -mavx2; called only where the processor has it.
#include "retrieve/score_kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace s3attn {
namespace {

// N registers of sums per token: the whole lane group. A posting costs N multiplications, each
// with its operand straight from the table's row, N additions and no store.
template <int N>
void max_run(const TokenForm& form, uint32_t begin, uint32_t end, const int16_t* table,
             int16_t* running_max) {
    const uint32_t k = form.k;
    const uint32_t* entries = form.entry.data();
    const uint16_t* counts = form.count.data();
    for (uint32_t token = begin; token < end; ++token) {
        __m256i sum[N];
        for (int n = 0; n < N; ++n) sum[n] = _mm256_setzero_si256();
        const uint32_t* entry = entries + size_t{token} * k;
        const uint32_t* const last = entry + counts[token];
        for (; entry != last; ++entry) {
            // mulhrs is round(a * b / 2^15); activation << 7 makes that / kActivationUnit.
            const __m256i activation =
                _mm256_set1_epi16(static_cast<int16_t>((*entry & 0xff) << 7));
            const int16_t* row = table + size_t{*entry >> 8} * (N * kLaneWidth);
            for (int n = 0; n < N; ++n) {
                const __m256i weight =
                    _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + n * kLaneWidth));
                sum[n] = _mm256_adds_epi16(sum[n], _mm256_mulhrs_epi16(activation, weight));
            }
        }
        for (int n = 0; n < N; ++n) {
            auto* out = reinterpret_cast<__m256i*>(running_max + n * kLaneWidth);
            _mm256_storeu_si256(out, _mm256_max_epi16(_mm256_loadu_si256(out), sum[n]));
        }
    }
}

}  // namespace

void max_kernel_avx2(const TokenForm& form, uint32_t begin, uint32_t end, const int16_t* table,
                     uint32_t lanes, int16_t* running_max) {
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
