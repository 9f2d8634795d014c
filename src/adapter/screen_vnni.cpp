// Compiled for AVX-512 VNNI; called only where the CPU has it (see screen_kernel.h).
#include <immintrin.h>

#include "adapter/screen_kernel.h"
#include "adapter/topk_kernel.h"

namespace s3attn {
namespace {

constexpr float kLowest = -3.402823466e38f;

// Approximate pre-activations of kScreenRows rows and 32 latents.
inline void tile(const ScreenArgs& args, uint64_t row, uint32_t first_latent) {
    const uint8_t* w0 = args.byte_weights + static_cast<uint64_t>(first_latent) * args.steps * 4;
    const uint8_t* w1 = w0 + static_cast<uint64_t>(args.steps) * 64;
    const uint64_t row_bytes = static_cast<uint64_t>(args.steps) * 4;
    const int8_t* x = args.byte_rows + row * row_bytes;
    __m512i sum0[kScreenRows], sum1[kScreenRows];
#pragma GCC unroll 8
    for (uint32_t r = 0; r < kScreenRows; ++r) {
        sum0[r] = sum1[r] = _mm512_set1_epi32(args.start[row + r]);
    }
    for (uint32_t s = 0; s < args.steps; ++s) {
        const __m512i a = _mm512_load_si512(w0 + s * 64), b = _mm512_load_si512(w1 + s * 64);
#pragma GCC unroll 8
        for (uint32_t r = 0; r < kScreenRows; ++r) {
            int four = 0;
            __builtin_memcpy(&four, x + r * row_bytes + s * 4, 4);
            const __m512i value = _mm512_set1_epi32(four);
            sum0[r] = _mm512_dpbusd_epi32(sum0[r], a, value);
            sum1[r] = _mm512_dpbusd_epi32(sum1[r], b, value);
        }
    }
    const __m512 scale0 = _mm512_loadu_ps(args.scale + first_latent);
    const __m512 scale1 = _mm512_loadu_ps(args.scale + first_latent + 16);
    const __m512 bias0 = _mm512_loadu_ps(args.bias + first_latent);
    const __m512 bias1 = _mm512_loadu_ps(args.bias + first_latent + 16);
#pragma GCC unroll 8
    for (uint32_t r = 0; r < kScreenRows; ++r) {
        const __m512 unit = _mm512_set1_ps(args.row_scale[row + r]);
        float* out = args.approximate + static_cast<uint64_t>(r) * args.latents + first_latent;
        _mm512_store_ps(
            out, _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum0[r]), _mm512_mul_ps(unit, scale0), bias0));
        _mm512_store_ps(out + 16, _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum1[r]),
                                                  _mm512_mul_ps(unit, scale1), bias1));
    }
}

// The k-th largest of 64 values: with the values the maxima of disjoint classes of latents, at
// least k latents reach it.
float kth_of_64(const float* values, uint32_t k) {
    float best[kScreenMaxK];
    for (uint32_t j = 0; j < k; ++j) best[j] = kLowest;
    for (uint32_t i = 0; i < 64; ++i) {
        if (!(values[i] > best[k - 1])) continue;
        uint32_t at = k - 1;
        for (; at > 0 && best[at - 1] < values[i]; --at) best[at] = best[at - 1];
        best[at] = values[i];
    }
    return best[k - 1];
}

float screen_threshold(const float* approximate, uint32_t latents, uint32_t k, float error) {
    __m512 most[4];
#pragma GCC unroll 4
    for (auto& m : most) m = _mm512_set1_ps(kLowest);
    uint32_t f = 0;
    for (; f + 64 <= latents; f += 64) {
#pragma GCC unroll 4
        for (uint32_t j = 0; j < 4; ++j) {
            most[j] = _mm512_max_ps(most[j], _mm512_load_ps(approximate + f + 16 * j));
        }
    }
    for (uint32_t j = 0; f < latents; f += 16, ++j) {
        most[j] = _mm512_max_ps(most[j], _mm512_load_ps(approximate + f));
    }
    alignas(64) float maxima[64];
    for (uint32_t j = 0; j < 4; ++j) _mm512_store_ps(maxima + 16 * j, most[j]);
    // k latents have at least (k-th - error); one that beats them shows at least (k-th - 2 error).
    // And an activation has to be positive.
    const float bound = kth_of_64(maxima, k) - 2 * error;
    return bound > -error ? bound : -error;
}

float exact(const ScreenArgs& args, uint64_t row, uint32_t latent) {
    const float* x = args.rows + row * args.width;
    const float* w = args.weights + static_cast<uint64_t>(latent) * args.width;
    __m256 even = _mm256_setzero_ps(), odd = even;
    for (uint32_t i = 0; i < args.width; i += 16) {
        even = _mm256_fmadd_ps(_mm256_loadu_ps(x + i), _mm256_loadu_ps(w + i), even);
        odd = _mm256_fmadd_ps(_mm256_loadu_ps(x + i + 8), _mm256_loadu_ps(w + i + 8), odd);
    }
    const __m256 eight = _mm256_add_ps(even, odd);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return args.bias[latent] + _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

// Latents that passed the screen, in ascending order. Their weights lie scattered in memory, so
// they are fetched all at once before the first is used.
struct Passed {
    static constexpr uint32_t kRoom = 64;
    uint32_t latent[kRoom];
    uint32_t count = 0;
};

float rank_passed(const ScreenArgs& args, uint64_t row, float threshold, Passed& passed) {
    uint64_t* keys = args.keys + row * args.k;
    for (uint32_t i = 0; i < passed.count; ++i) {
        const float activation = exact(args, row, passed.latent[i]);
        if (activation > threshold) {
            threshold = topk_insert(keys, args.k, activation, passed.latent[i]);
        }
    }
    passed.count = 0;
    return threshold;
}

void select(const ScreenArgs& args, uint64_t row, const float* approximate) {
    const float bound = screen_threshold(approximate, args.latents, args.k, args.error[row]);
    const __m512 bounds = _mm512_set1_ps(bound);
    Passed passed;
    float threshold = 0;
    for (uint32_t f = 0; f < args.latents; f += 16) {
        uint32_t mask = _mm512_cmp_ps_mask(_mm512_load_ps(approximate + f), bounds, _CMP_GE_OQ);
        for (; mask != 0; mask &= mask - 1) {
            const uint32_t latent = f + static_cast<uint32_t>(__builtin_ctz(mask));
            const float* w = args.weights + static_cast<uint64_t>(latent) * args.width;
            for (uint32_t i = 0; i < args.width; i += 16) __builtin_prefetch(w + i);
            if (passed.count == Passed::kRoom) {
                threshold = rank_passed(args, row, threshold, passed);
            }
            passed.latent[passed.count++] = latent;
        }
    }
    rank_passed(args, row, threshold, passed);
}

}  // namespace

void screen_vnni(const ScreenArgs& args) {
    for (uint64_t row = 0; row < args.n_rows; row += kScreenRows) {
        for (uint32_t f = 0; f < args.latents; f += kScreenLatents) tile(args, row, f);
        for (uint32_t r = 0; r < kScreenRows; ++r) {
            if (args.error[row + r] < 0) continue;
            select(args, row + r, args.approximate + static_cast<uint64_t>(r) * args.latents);
        }
    }
}

}  // namespace s3attn
