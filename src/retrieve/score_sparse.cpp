#include "retrieve/score_sparse.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "retrieve/score_kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace s3attn {
namespace {

#define S3ATTN_INLINE inline __attribute__((always_inline))

// Eight postings at a time, wherever a list ends: a loop over exactly n would mispredict its end
// for nearly every list. Those past the end add 0.
constexpr uint32_t kGroup = 8;
static_assert(kGroup <= kReadSlack);

using Words = std::array<uint64_t, 2>;  // eight of 16 bits

// kKeep[kGroup - n ...]: the first n words of eight.
constexpr auto kKeep = [] {
    std::array<uint16_t, 2 * kGroup> keep{};
    for (uint32_t i = 0; i < kGroup; ++i) keep[i] = 0xffff;
    return keep;
}();

// products: round(activation * weight / kActivationUnit), as the dense kernel rounds, where `keep`
// has ones. largest: of n > 0 sums.
struct Portable {
    static void products(const uint8_t* activation, int weight, const uint16_t* keep, Words& out) {
        std::array<uint16_t, kGroup> words;
        for (uint32_t i = 0; i < kGroup; ++i) {
            const int product = (activation[i] * weight + kActivationUnit / 2) >> 8;
            words[i] = static_cast<uint16_t>(product & keep[i]);
        }
        std::memcpy(&out, &words, sizeof out);
    }
    static int16_t largest(const int16_t* sum, uint32_t n) {
        return *std::max_element(sum, sum + n);
    }
};

template <class Simd>
S3ATTN_INLINE void add_list(const uint16_t* position, const uint8_t* activation, uint32_t n,
                            int weight, int16_t* sum) {
    for (uint32_t i = 0; i < n; i += kGroup) {
        Words at, add;
        std::memcpy(&at, position + i, sizeof at);
        Simd::products(activation + i, weight, &kKeep[kGroup - std::min(kGroup, n - i)], add);
        for (uint32_t j = 0; j < kGroup; ++j) {
            int16_t& to = sum[at[j / 4] >> (16 * (j % 4)) & 0xffff];
            to = static_cast<int16_t>(to + static_cast<int16_t>(add[j / 4] >> (16 * (j % 4))));
        }
    }
}

template <class Simd>
S3ATTN_INLINE void add_lane(const BlockView& block, std::span<const SparseLanes::Weight> weights,
                            int16_t* sum) {
    const uint32_t* const list_begin = block.feature_begin.data();
    const uint16_t* const position = block.position.data();
    const uint8_t* const activation = block.activation.data();
    for (const SparseLanes::Weight& entry : weights) {
        const uint32_t begin = list_begin[entry.index];
        add_list<Simd>(position + begin, activation + begin, list_begin[entry.index + 1] - begin,
                       entry.weight, sum);
    }
}

template <class Simd>
S3ATTN_INLINE void score_lanes(const BlockView& block, const SparseLanes& sparse,
                               std::span<const UnitRun> runs, std::span<int16_t* const> rows,
                               int16_t* sum) {
    for (size_t lane = 0; lane + 1 < sparse.begin.size(); ++lane) {
        const auto first = sparse.begin[lane], last = sparse.begin[lane + 1];
        add_lane<Simd>(block, std::span(sparse.weights).subspan(first, last - first), sum);
        for (size_t r = 0; r < runs.size(); ++r) {
            const uint32_t n = runs[r].end - runs[r].begin;
            rows[r][lane] = std::max(rows[r][lane], Simd::largest(sum + runs[r].begin, n));
        }
        std::fill(sum, sum + block.n_tokens, int16_t{0});
    }
}

using ScoreLanes = void (*)(const BlockView&, const SparseLanes&, std::span<const UnitRun>,
                            std::span<int16_t* const>, int16_t*);

void score_lanes_portable(const BlockView& block, const SparseLanes& sparse,
                          std::span<const UnitRun> runs, std::span<int16_t* const> rows,
                          int16_t* sum) {
    score_lanes<Portable>(block, sparse, runs, rows, sum);
}
#if defined(__x86_64__)
struct Avx2 {
    __attribute__((target("avx2"))) static void products(const uint8_t* activation, int weight,
                                                         const uint16_t* keep, Words& out) {
        // mulhrs is round(a * b / 2^15); activation << 7 makes that / kActivationUnit.
        const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(activation));
        const __m128i a = _mm_slli_epi16(_mm_cvtepu8_epi16(bytes), 7);
        const __m128i product = _mm_mulhrs_epi16(a, _mm_set1_epi16(static_cast<int16_t>(weight)));
        const __m128i kept =
            _mm_and_si128(product, _mm_loadu_si128(reinterpret_cast<const __m128i*>(keep)));
        out[0] = static_cast<uint64_t>(_mm_cvtsi128_si64(kept));
        out[1] = static_cast<uint64_t>(_mm_extract_epi64(kept, 1));
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
                                                      int16_t* sum) {
    score_lanes<Avx2>(block, sparse, runs, rows, sum);
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
    best(block, sparse, runs, rows, sum_.data());
}

}  // namespace s3attn
