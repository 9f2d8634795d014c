#include "retrieve/score_sparse.h"

#include <algorithm>
#include <cstring>

#include "retrieve/score_kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace s3attn {
namespace {

#define S3ATTN_INLINE inline __attribute__((always_inline))

// Four postings at a time, wherever a list ends: a loop over exactly n would mispredict its end for
// nearly every list. Those past the end add 0.
constexpr uint32_t kGroup = 4;
static_assert(kGroup <= kReadSlack);

S3ATTN_INLINE void add_products(const uint16_t* position, const int16_t* product, uint32_t n,
                                int16_t* sum) {
    for (uint32_t i = 0; i < n; i += kGroup) {
        uint64_t at, add;
        std::memcpy(&at, position + i, sizeof at);
        std::memcpy(&add, product + i, sizeof add);
        for (uint32_t j = 0; j < kGroup; ++j) {
            int16_t& to = sum[at >> (16 * j) & 0xffff];
            to = static_cast<int16_t>(to + static_cast<int16_t>(add >> (16 * j)));
        }
    }
}

// multiply: product[i] = round(activation[i] * weight / kActivationUnit), as the dense kernel
// rounds. largest: of n > 0 sums.
struct Portable {
    static void multiply(const uint8_t* activation, uint32_t n, int weight, int16_t* product) {
        for (uint32_t i = 0; i < n; ++i) {
            product[i] = static_cast<int16_t>((activation[i] * weight + kActivationUnit / 2) >> 8);
        }
    }
    static int16_t largest(const int16_t* sum, uint32_t n) {
        return *std::max_element(sum, sum + n);
    }
};

template <class Simd>
S3ATTN_INLINE void add_lane(const BlockView& block, std::span<const SparseLanes::Weight> weights,
                            int16_t* product, int16_t* sum) {
    const uint32_t* const list_begin = block.feature_begin.data();
    for (const SparseLanes::Weight& entry : weights) {
        const uint32_t begin = list_begin[entry.index];
        const uint32_t n = list_begin[entry.index + 1] - begin;
        Simd::multiply(block.activation.data() + begin, n, entry.weight, product);
        std::memset(product + n, 0, kGroup * sizeof *product);
        add_products(block.position.data() + begin, product, n, sum);
    }
}

template <class Simd>
S3ATTN_INLINE void score_lanes(const BlockView& block, const SparseLanes& sparse,
                               std::span<const UnitRun> runs, std::span<int16_t* const> rows,
                               int16_t* product, int16_t* sum) {
    for (size_t lane = 0; lane + 1 < sparse.begin.size(); ++lane) {
        const auto first = sparse.begin[lane], last = sparse.begin[lane + 1];
        add_lane<Simd>(block, std::span(sparse.weights).subspan(first, last - first), product, sum);
        for (size_t r = 0; r < runs.size(); ++r) {
            const uint32_t n = runs[r].end - runs[r].begin;
            rows[r][lane] = std::max(rows[r][lane], Simd::largest(sum + runs[r].begin, n));
        }
        std::fill(sum, sum + block.n_tokens, int16_t{0});
    }
}

using ScoreLanes = void (*)(const BlockView&, const SparseLanes&, std::span<const UnitRun>,
                            std::span<int16_t* const>, int16_t*, int16_t*);

void score_lanes_portable(const BlockView& block, const SparseLanes& sparse,
                          std::span<const UnitRun> runs, std::span<int16_t* const> rows,
                          int16_t* product, int16_t* sum) {
    score_lanes<Portable>(block, sparse, runs, rows, product, sum);
}
#if defined(__x86_64__)
struct Avx2 {
    // Sixteen at a time: reads and writes up to 15 entries past n.
    __attribute__((target("avx2"))) static void multiply(const uint8_t* activation, uint32_t n,
                                                         int weight, int16_t* product) {
        // mulhrs is round(a * b / 2^15); activation << 7 makes that / kActivationUnit.
        const __m256i factor = _mm256_set1_epi16(static_cast<int16_t>(weight));
        for (uint32_t i = 0; i < n; i += 16) {
            const auto* from = reinterpret_cast<const __m128i*>(activation + i);
            const __m256i a = _mm256_slli_epi16(_mm256_cvtepu8_epi16(_mm_loadu_si128(from)), 7);
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(product + i),
                                _mm256_mulhrs_epi16(a, factor));
        }
    }
    __attribute__((target("avx2"))) static int16_t largest(const int16_t* sum, uint32_t n) {
        if (n < 16) return Portable::largest(sum, n);
        const auto at = [&](uint32_t i) __attribute__((target("avx2"))) {
            return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(sum + i));
        };
        __m256i best = at(n - 16);  // the last sixteen, then from the front
        for (uint32_t i = 0; i + 16 < n; i += 16) best = _mm256_max_epi16(best, at(i));
        const __m128i eight =
            _mm_max_epi16(_mm256_castsi256_si128(best), _mm256_extracti128_si256(best, 1));
        // There is an instruction for the least of eight unsigned: turn the order around.
        const __m128i turned = _mm_xor_si128(eight, _mm_set1_epi16(0x7fff));
        const int least = _mm_cvtsi128_si32(_mm_minpos_epu16(turned)) & 0xffff;
        return static_cast<int16_t>(least ^ 0x7fff);
    }
};
__attribute__((target("avx2"))) void score_lanes_avx2(const BlockView& block,
                                                      const SparseLanes& sparse,
                                                      std::span<const UnitRun> runs,
                                                      std::span<int16_t* const> rows,
                                                      int16_t* product, int16_t* sum) {
    score_lanes<Avx2>(block, sparse, runs, rows, product, sum);
}
#endif

ScoreLanes best_score_lanes() {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) return score_lanes_avx2;
#endif
    return score_lanes_portable;
}

}  // namespace

void SparseBlockScorer::score(const BlockView& block, const SparseLanes& sparse,
                              std::span<const UnitRun> runs, std::span<int16_t* const> rows) {
    static const ScoreLanes best = best_score_lanes();
    sum_.resize(UINT16_MAX + 1);  // what lies past a list's end may be any position
    product_.resize(kBlockTokens + kReadSlack);
    best(block, sparse, runs, rows, product_.data(), sum_.data());
}

}  // namespace s3attn
