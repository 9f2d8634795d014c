#include "retrieve/rerank.h"

#include <gtest/gtest.h>

#include <cmath>

namespace s3attn {
namespace {

TEST(Rerank, ZScoresHaveMeanZeroAndDeviationOne) {
    const std::vector<double> z = z_scores(std::vector<double>{3, 5, 10});
    double sum = 0, squares = 0;
    for (const double value : z) sum += value, squares += value * value;
    EXPECT_NEAR(sum, 0, 1e-12);
    EXPECT_NEAR(squares / 3, 1, 1e-12);
    EXPECT_LT(z[0], z[1]);
    EXPECT_EQ(z_scores(std::vector<double>(4, 0.1)), std::vector<double>(4, 0.0));
    EXPECT_TRUE(z_scores({}).empty());
}

TEST(Rerank, SumsHeadsThenAddsTheFirstStage) {
    const std::vector<double> first{9, 6, 3};
    const std::vector<std::vector<double>> heads{{0.1, 0.6, 0.3}, {0, 1, 0}};
    const auto a = z_scores(heads[0]), b = z_scores(heads[1]);
    const auto second = z_scores(std::vector<double>{a[0] + b[0], a[1] + b[1], a[2] + b[2]});
    const auto before = z_scores(first);
    const auto scores = second_stage_scores(first, heads, 0.5);
    ASSERT_EQ(scores.size(), 3u);
    for (size_t u = 0; u < 3; ++u) EXPECT_NEAR(scores[u], second[u] + 0.5 * before[u], 1e-12);
    EXPECT_EQ(best_first(scores), (std::vector<size_t>{1, 0, 2}));
}

TEST(Rerank, WithoutAttentionTheOrderStays) {
    const std::vector<double> first{4, 4, 2, 1};
    const auto scores = second_stage_scores(first, {{0.25, 0.25, 0.25, 0.25}}, 0.5);
    EXPECT_EQ(best_first(scores), (std::vector<size_t>{0, 1, 2, 3}));
}

}  // namespace
}  // namespace s3attn
