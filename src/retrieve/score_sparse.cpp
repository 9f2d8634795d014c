#include "retrieve/score_sparse.h"

#include <algorithm>

#include "retrieve/score_kernel.h"

namespace s3attn {
namespace {

#define S3ATTN_INLINE inline __attribute__((always_inline))

// product[i] = round(activation[i] * weight / kActivationUnit), as the dense kernel rounds.
S3ATTN_INLINE void multiply(const uint8_t* activation, uint32_t n, int weight, int16_t* product) {
    for (uint32_t i = 0; i < n; ++i) {
        product[i] = static_cast<int16_t>((activation[i] * weight + kActivationUnit / 2) >> 8);
    }
}

S3ATTN_INLINE void add_lane(const BlockView& block, std::span<const SparseLanes::Weight> weights,
                            int16_t* product, int16_t* sum) {
    for (const SparseLanes::Weight& entry : weights) {
        const uint32_t begin = block.feature_begin[entry.index];
        const uint32_t n = block.feature_begin[entry.index + 1] - begin;
        const uint16_t* position = block.position.data() + begin;
        multiply(block.activation.data() + begin, n, entry.weight, product);
        for (uint32_t i = 0; i < n; ++i) {
            sum[position[i]] = static_cast<int16_t>(sum[position[i]] + product[i]);
        }
    }
}

S3ATTN_INLINE int16_t largest(const int16_t* sum, uint32_t n, int16_t from) {
    int16_t best = from;
    for (uint32_t i = 0; i < n; ++i) best = std::max(best, sum[i]);
    return best;
}

S3ATTN_INLINE void score_lanes(const BlockView& block, const SparseLanes& sparse,
                               std::span<const UnitRun> runs, std::span<int16_t* const> rows,
                               int16_t* product, int16_t* sum) {
    for (size_t lane = 0; lane + 1 < sparse.begin.size(); ++lane) {
        const auto first = sparse.begin[lane], last = sparse.begin[lane + 1];
        add_lane(block, std::span(sparse.weights).subspan(first, last - first), product, sum);
        for (size_t r = 0; r < runs.size(); ++r) {
            rows[r][lane] =
                largest(sum + runs[r].begin, runs[r].end - runs[r].begin, rows[r][lane]);
        }
        std::fill(sum, sum + block.n_tokens, int16_t{0});
    }
}

using ScoreLanes = void (*)(const BlockView&, const SparseLanes&, std::span<const UnitRun>,
                            std::span<int16_t* const>, int16_t*, int16_t*);

void score_lanes_portable(const BlockView& block, const SparseLanes& sparse,
                          std::span<const UnitRun> runs, std::span<int16_t* const> rows,
                          int16_t* product, int16_t* sum) {
    score_lanes(block, sparse, runs, rows, product, sum);
}
#if defined(__x86_64__)
__attribute__((target("avx2"))) void score_lanes_avx2(const BlockView& block,
                                                      const SparseLanes& sparse,
                                                      std::span<const UnitRun> runs,
                                                      std::span<int16_t* const> rows,
                                                      int16_t* product, int16_t* sum) {
    score_lanes(block, sparse, runs, rows, product, sum);
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
    sum_.resize(kBlockTokens);
    product_.resize(kBlockTokens);
    best(block, sparse, runs, rows, product_.data(), sum_.data());
}

}  // namespace s3attn
