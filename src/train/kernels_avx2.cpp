// The AVX2 build of the kernels. Compiled with -mavx2 -mfma -mf16c and called only after a run-time
// check, so this file must not use inline functions of other headers (the linker could keep the
// AVX2 copy of them for everyone).
#include "train/kernels.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#include <immintrin.h>

namespace s3attn {
namespace {

constexpr uint32_t kWidth = PackedColumns::kWidth;

// Products of kRows consecutive rows with one panel: 2 * kRows accumulators stay in registers.
template <int kRows>
inline void tile(const float* x, uint32_t d, const float* panel, const float* bias,
                 __m256 (&low)[kRows], __m256 (&high)[kRows]) {
    const __m256 bias_low = bias ? _mm256_loadu_ps(bias) : _mm256_setzero_ps();
    const __m256 bias_high = bias ? _mm256_loadu_ps(bias + 8) : _mm256_setzero_ps();
    for (int r = 0; r < kRows; ++r) {
        low[r] = bias_low;
        high[r] = bias_high;
    }
    for (uint32_t i = 0; i < d; ++i) {
        const __m256 a = _mm256_loadu_ps(panel + i * kWidth);
        const __m256 b = _mm256_loadu_ps(panel + i * kWidth + 8);
#pragma GCC unroll 6
        for (int r = 0; r < kRows; ++r) {
            const __m256 value = _mm256_broadcast_ss(x + static_cast<size_t>(r) * d + i);
            low[r] = _mm256_fmadd_ps(value, a, low[r]);
            high[r] = _mm256_fmadd_ps(value, b, high[r]);
        }
    }
}

template <int kRows>
inline void multiply_rows(const float* x, const PackedColumns& columns, const float* panel,
                          const float* bias, float* out, size_t stride) {
    __m256 low[kRows], high[kRows];
    tile<kRows>(x, columns.d, panel, bias, low, high);
    for (int r = 0; r < kRows; ++r) {
        _mm256_storeu_ps(out + r * stride, low[r]);
        _mm256_storeu_ps(out + r * stride + 8, high[r]);
    }
}

void multiply(const float* x, uint32_t n_rows, const PackedColumns& columns, uint32_t first,
              uint32_t n_panels, const float* bias, float* out) {
    const size_t stride = static_cast<size_t>(n_panels) * kWidth;
    for (uint32_t p = 0; p < n_panels; ++p) {
        const float* panel =
            columns.data.data() + static_cast<size_t>(first + p) * columns.d * kWidth;
        const float* panel_bias = bias ? bias + p * kWidth : nullptr;
        uint32_t r = 0;
        for (; r + 6 <= n_rows; r += 6) {
            multiply_rows<6>(x + static_cast<size_t>(r) * columns.d, columns, panel, panel_bias,
                             out + r * stride + p * kWidth, stride);
        }
        for (; r < n_rows; ++r) {
            multiply_rows<1>(x + static_cast<size_t>(r) * columns.d, columns, panel, panel_bias,
                             out + r * stride + p * kWidth, stride);
        }
    }
}

struct Best {
    __m256 value_low, value_high;
    __m256 row_low, row_high;  // row numbers as bit patterns
};

template <int kRows>
inline void maxima_rows(const float* x, uint32_t d, const float* panel, uint32_t row, Best& best) {
    __m256 low[kRows], high[kRows];
    tile<kRows>(x, d, panel, nullptr, low, high);
    for (int r = 0; r < kRows; ++r) {
        const __m256 index = _mm256_castsi256_ps(_mm256_set1_epi32(static_cast<int>(row) + r));
        const __m256 more_low = _mm256_cmp_ps(low[r], best.value_low, _CMP_GT_OQ);
        const __m256 more_high = _mm256_cmp_ps(high[r], best.value_high, _CMP_GT_OQ);
        best.value_low = _mm256_blendv_ps(best.value_low, low[r], more_low);
        best.value_high = _mm256_blendv_ps(best.value_high, high[r], more_high);
        best.row_low = _mm256_blendv_ps(best.row_low, index, more_low);
        best.row_high = _mm256_blendv_ps(best.row_high, index, more_high);
    }
}

void maxima(const float* x, uint32_t n_rows, const PackedColumns& columns, float* best,
            uint32_t* row) {
    const uint32_t d = columns.d, n_panels = (columns.n + kWidth - 1) / kWidth;
    for (uint32_t p = 0; p < n_panels; ++p) {
        const float* panel = columns.data.data() + static_cast<size_t>(p) * d * kWidth;
        const __m256 lowest = _mm256_set1_ps(-__builtin_inff());
        Best found{lowest, lowest, _mm256_setzero_ps(), _mm256_setzero_ps()};
        uint32_t r = 0;
        for (; r + 6 <= n_rows; r += 6) {
            maxima_rows<6>(x + static_cast<size_t>(r) * d, d, panel, r, found);
        }
        for (; r < n_rows; ++r) {
            maxima_rows<1>(x + static_cast<size_t>(r) * d, d, panel, r, found);
        }
        _mm256_storeu_ps(best + p * kWidth, found.value_low);
        _mm256_storeu_ps(best + p * kWidth + 8, found.value_high);
        float* rows = reinterpret_cast<float*>(row + p * kWidth);
        _mm256_storeu_ps(rows, found.row_low);
        _mm256_storeu_ps(rows + 8, found.row_high);
    }
}

void insert(TopList& list, uint32_t i, float v) {
    uint32_t at = list.count < list.k ? list.count++ : list.k - 1;
    for (; at > 0 && list.value[at - 1] < v; --at) {
        list.value[at] = list.value[at - 1];
        list.index[at] = list.index[at - 1];
    }
    list.value[at] = v;
    list.index[at] = i;
    if (list.count == list.k) list.floor = list.value[list.k - 1];
}

void offer(const float* v, uint32_t n, uint32_t base, TopList& list) {
    uint32_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256 values = _mm256_loadu_ps(v + i);
        const __m256 over = _mm256_cmp_ps(values, _mm256_set1_ps(list.floor), _CMP_GT_OQ);
        uint32_t mask = static_cast<uint32_t>(_mm256_movemask_ps(over));
        while (mask) {
            const uint32_t at = i + static_cast<uint32_t>(__builtin_ctz(mask));
            mask &= mask - 1;
            if (v[at] > list.floor) insert(list, base + at, v[at]);
        }
    }
    for (; i < n; ++i) {
        if (v[i] > list.floor) insert(list, base + i, v[i]);
    }
}

float dot(const float* a, const float* b, uint32_t n) {
    __m256 sum = _mm256_setzero_ps();
    uint32_t i = 0;
    for (; i + 8 <= n; i += 8) {
        sum = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), sum);
    }
    const __m128 half = _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps(sum, 1));
    const __m128 pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
    float total = _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)));
    for (; i < n; ++i) total += a[i] * b[i];
    return total;
}

void add_scaled(float s, const float* x, float* y, uint32_t n) {
    const __m256 scale = _mm256_set1_ps(s);
    uint32_t i = 0;
    for (; i + 8 <= n; i += 8) {
        _mm256_storeu_ps(y + i,
                         _mm256_fmadd_ps(scale, _mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i)));
    }
    for (; i < n; ++i) y[i] += s * x[i];
}

void adam(const float* gradient, size_t n, const AdamStep& step, float* parameter, float* m,
          float* v) {
    for (size_t i = 0; i < n; ++i) {  // vectorised by the compiler
        m[i] = step.beta1 * m[i] + (1 - step.beta1) * gradient[i];
        v[i] = step.beta2 * v[i] + (1 - step.beta2) * gradient[i] * gradient[i];
        parameter[i] -= step.rate * (m[i] / step.correction1) /
                        (__builtin_sqrtf(v[i] / step.correction2) + step.epsilon);
    }
}

void to_float(const uint16_t* half, size_t n, float* out) {
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        _mm256_storeu_ps(
            out + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(half + i))));
    }
    for (; i < n; ++i) out[i] = _cvtsh_ss(half[i]);
}

void to_half(const float* in, size_t n, uint16_t* half) {
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(half + i),
                         _mm256_cvtps_ph(_mm256_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT));
    }
    for (; i < n; ++i) half[i] = _cvtss_sh(in[i], _MM_FROUND_TO_NEAREST_INT);
}

const Kernels kTable{"avx2", multiply, maxima, offer, dot, add_scaled, adam, to_float, to_half};

}  // namespace

const Kernels* avx2_kernels() {
    const bool usable = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                        __builtin_cpu_supports("f16c");
    return usable ? &kTable : nullptr;
}

}  // namespace s3attn

#else

namespace s3attn {
const Kernels* avx2_kernels() { return nullptr; }
}  // namespace s3attn

#endif
