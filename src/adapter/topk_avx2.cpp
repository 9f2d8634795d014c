// Compiled with -mavx2 -mfma; called only where the CPU has both (see topk_kernel.h).
#include <immintrin.h>

#include "adapter/topk_kernel.h"

namespace s3attn {
namespace {

// Offers the tile's 16 outputs of one row to the row's list.
void offer(const TopkArgs& args, uint64_t row, uint32_t first_latent, __m256 low, __m256 high) {
    float threshold = args.threshold[row];
    const __m256 bound = _mm256_set1_ps(threshold);
    const auto mask_of = [&](__m256 v) {
        return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(v, bound, _CMP_GT_OQ)));
    };
    uint32_t passing = mask_of(low) | (mask_of(high) << 8);
    alignas(32) float values[kTileLatents];
    _mm256_store_ps(values, low);
    _mm256_store_ps(values + 8, high);
    for (; passing != 0; passing &= passing - 1) {
        const auto lane = static_cast<uint32_t>(__builtin_ctz(passing));
        if (values[lane] > threshold) {
            threshold =
                topk_insert(args.keys + row * args.k, args.k, values[lane], first_latent + lane);
        }
    }
    args.threshold[row] = threshold;
}

// 6 rows x 16 latents: 12 accumulators, 2 weight registers and 1 broadcast fill the 16 registers,
// and 12 independent chains cover the latency of two FMA units.
inline void tile(const TopkArgs& args, const float* w, const float* bias, uint32_t first_latent,
                 uint32_t tile_index) {
    const float* x = args.rows + static_cast<uint64_t>(tile_index) * args.d * kTileRows;
    __m256 low[kTileRows], high[kTileRows];
    const __m256 bias_low = _mm256_load_ps(bias), bias_high = _mm256_load_ps(bias + 8);
#pragma GCC unroll 6
    for (uint32_t r = 0; r < kTileRows; ++r) {
        low[r] = bias_low;
        high[r] = bias_high;
    }
    for (uint32_t i = 0; i < args.d; ++i, w += kTileLatents, x += kTileRows) {
        const __m256 w_low = _mm256_load_ps(w), w_high = _mm256_load_ps(w + 8);
#pragma GCC unroll 6
        for (uint32_t r = 0; r < kTileRows; ++r) {
            const __m256 value = _mm256_broadcast_ss(x + r);
            low[r] = _mm256_fmadd_ps(value, w_low, low[r]);
            high[r] = _mm256_fmadd_ps(value, w_high, high[r]);
        }
    }
    const uint64_t first_row = static_cast<uint64_t>(tile_index) * kTileRows;
#pragma GCC unroll 6
    for (uint32_t r = 0; r < kTileRows; ++r) {
        const __m256 bound = _mm256_broadcast_ss(args.threshold + first_row + r);
        const __m256 above = _mm256_cmp_ps(_mm256_max_ps(low[r], high[r]), bound, _CMP_GT_OQ);
        if (_mm256_movemask_ps(above) != 0) [[unlikely]] {
            offer(args, first_row + r, first_latent, low[r], high[r]);
        }
    }
}

}  // namespace

void topk_avx2(const TopkArgs& args) {
    for (uint32_t g = 0; g < args.groups; ++g) {
        const float* w = args.weights + static_cast<uint64_t>(g) * args.d * kTileLatents;
        const float* bias = args.bias + static_cast<uint64_t>(g) * kTileLatents;
        for (uint32_t t = 0; t < args.tiles; ++t) tile(args, w, bias, g * kTileLatents, t);
    }
}

}  // namespace s3attn
