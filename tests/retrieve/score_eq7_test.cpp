// The paper's Eq. 7 against plain loops and numbers worked out by hand.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "retrieve/score.h"
#include "score_cases.h"

namespace s3attn {
namespace {

TEST(ScoreEq7, ByHand) {
    Case c = hand_case();
    c.store.extents.pop_back();  // its postings still count in freq
    const auto scores = score_eq7(c.store, c.query, {.threads = 1});
    ASSERT_TRUE(scores.ok());
    // freq(f0) = 2, freq(f1) = 1; unit 1 scores the mean over its two tokens.
    const double s0 = 0.02 / (std::log(3.0) + 1), s1 = 0.03 / (std::log(2.0) + 1);
    EXPECT_NEAR(scores->mass[0], (s0 + s1) / 2, 1e-8);
    EXPECT_FALSE(scores->calibrated);
}

RC_GTEST_PROP(ScoreEq7, EqualsPlainLoops, ()) {
    const CaseShape shape = random_shape();
    const bool idf = *rc::gen::arbitrary<bool>();
    const Case c = random_case(*rc::gen::arbitrary<uint32_t>(), shape);
    const auto fast = score_eq7(c.store, c.query, {.threads = 2}, idf);
    RC_ASSERT(fast.ok());
    std::vector<double> slow(c.store.extents.size());
    for (const auto& head : c.query.heads) {
        std::vector<double> freq(shape.latents);
        std::vector<std::pair<uint64_t, uint32_t>> postings;  // global position, feature
        BlockScratch scratch;
        for (const auto& segment : c.store.segment_list) {
            for (uint32_t b = 0; b < segment->n_blocks(); ++b) {
                const auto view = segment->read_block(head.slot, b, scratch);
                for (uint32_t f = 0; f < shape.latents; ++f) {
                    for (uint32_t i = view->feature_begin[f]; i < view->feature_begin[f + 1]; ++i) {
                        freq[f] += 1;
                        postings.emplace_back(
                            segment->base() + b * kBlockTokens + view->position[i], f);
                    }
                }
            }
        }
        for (size_t u = 0; u < slow.size(); ++u) {
            const UnitExtent& unit = c.store.extents[u];
            for (const auto& [position, f] : postings) {
                const TokenPosition at(position);
                if (at < unit.position_begin || at >= unit.position_begin + unit.n_tokens) {
                    continue;
                }
                for (uint32_t i = 0; i < shape.question; ++i) {
                    const double damped = idf ? std::log(1 + freq[f]) + 1 : 1;
                    slow[u] += head.weight[f * shape.question + i] / damped / unit.n_tokens;
                }
            }
        }
    }
    for (size_t u = 0; u < slow.size(); ++u) RC_ASSERT(std::abs(fast->mass[u] - slow[u]) < 1e-6);
}

}  // namespace
}  // namespace s3attn
