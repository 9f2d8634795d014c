#include "train/bootstrap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "eval/python_random.h"

namespace s3attn::eval {
namespace {

TEST(Bootstrap, CoversTheTrueMeanAsOftenAsItClaims) {
    std::mt19937_64 engine(7);
    int covered = 0;
    constexpr int kTrials = 300;
    for (int trial = 0; trial < kTrials; ++trial) {
        std::vector<double> values(80);
        for (double& value : values) value = (engine() >> 40) % 10 < 3 ? 1.0 : 0.0;
        const Interval interval = bootstrap_mean(values, static_cast<uint64_t>(trial), 500);
        covered += interval.low <= 0.3 && 0.3 <= interval.high;
    }
    EXPECT_GT(covered, 0.89 * kTrials);
    EXPECT_LT(covered, 0.99 * kTrials);
}

TEST(Bootstrap, WidthIsThatOfTheNormalApproximation) {
    std::vector<double> values(400);
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i % 5);
    const Interval interval = bootstrap_mean(values, 1);
    EXPECT_DOUBLE_EQ(interval.mean, 2.0);
    const double half = 1.96 * std::sqrt(2.0) / 20;  // standard deviation sqrt(2), n = 400
    EXPECT_NEAR(interval.high - interval.low, 2 * half, 0.1 * half);
    EXPECT_EQ(interval.n, 400u);
}

TEST(Bootstrap, SameSeedSameIntervalAndPairsCancelWhatTheyShare) {
    std::vector<double> a, b;
    for (int i = 0; i < 100; ++i) {
        a.push_back(i);
        b.push_back(i - 0.5);
    }
    const Interval paired = bootstrap_difference(a, b, 3);
    EXPECT_DOUBLE_EQ(paired.mean, 0.5);
    EXPECT_DOUBLE_EQ(paired.low, 0.5);
    EXPECT_DOUBLE_EQ(paired.high, 0.5);
    EXPECT_DOUBLE_EQ(bootstrap_mean(a, 3).low, bootstrap_mean(a, 3).low);
    EXPECT_EQ(bootstrap_mean({}, 3).n, 0u);
}

// Printed by Python 3.11: random.Random(seed).shuffle(list(range(10))).
TEST(PythonRandom, ShufflesAsPythonDoes) {
    const auto shuffled = [](uint64_t seed) {
        std::vector<int> items{0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
        PythonRandom(seed).shuffle(items);
        return items;
    };
    EXPECT_EQ(shuffled(0), (std::vector<int>{7, 8, 1, 5, 3, 4, 2, 0, 9, 6}));
    EXPECT_EQ(shuffled(12345678901234567890u), (std::vector<int>{0, 3, 4, 1, 5, 2, 6, 7, 9, 8}));
}

}  // namespace
}  // namespace s3attn::eval
