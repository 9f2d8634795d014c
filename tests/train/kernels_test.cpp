#include "train/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "train/rng.h"
#include "train/rows.h"

namespace s3attn {
namespace {

std::vector<float> random_values(size_t n, uint64_t seed) {
    Rng rng(seed);
    std::vector<float> values(n);
    for (float& v : values) v = static_cast<float>(rng.normal());
    return values;
}

// Every table of kernels against plain loops in double precision.
class KernelTest : public testing::TestWithParam<const Kernels*> {
  protected:
    void SetUp() override {
        if (!GetParam()) GTEST_SKIP() << "this processor has no AVX2";
    }
};

TEST_P(KernelTest, MultiplyEqualsPlainLoops) {
    for (const auto& [d, rows, n] : {std::tuple(1u, 1u, 1u), std::tuple(64u, 13u, 50u),
                                     std::tuple(7u, 6u, 16u), std::tuple(80u, 25u, 33u)}) {
        const auto x = random_values(rows * d, 1), columns = random_values(n * d, 2);
        PackedColumns packed;
        packed.pack(columns.data(), n, d);
        auto bias = random_values(packed.padded(), 3);
        std::vector<float> out(rows * packed.padded());
        GetParam()->multiply(x.data(), rows, packed, 0, packed.panels(), bias.data(), out.data());
        for (uint32_t r = 0; r < rows; ++r) {
            for (uint32_t c = 0; c < n; ++c) {
                double sum = bias[c];
                for (uint32_t i = 0; i < d; ++i) {
                    sum += static_cast<double>(x[r * d + i]) * columns[c * d + i];
                }
                ASSERT_NEAR(out[r * packed.padded() + c], sum, 1e-4) << d << " " << r << " " << c;
            }
        }
    }
}

TEST_P(KernelTest, MaximaFindTheFirstBestRow) {
    constexpr uint32_t kD = 24, kRows = 31, kColumns = 21;
    auto x = random_values(kRows * kD, 4);
    std::copy_n(x.begin(), kD, x.begin() + 20 * kD);  // a tie: row 0 again
    const auto columns = random_values(kColumns * kD, 5);
    PackedColumns packed;
    packed.pack(columns.data(), kColumns, kD);
    std::vector<float> best(packed.padded());
    std::vector<uint32_t> row(packed.padded());
    GetParam()->maxima(x.data(), kRows, packed, best.data(), row.data());
    for (uint32_t c = 0; c < kColumns; ++c) {
        double top = -1e30;
        uint32_t at = 0;
        for (uint32_t r = 0; r < kRows; ++r) {
            double sum = 0;
            for (uint32_t i = 0; i < kD; ++i) {
                sum += static_cast<double>(x[r * kD + i]) * columns[c * kD + i];
            }
            if (sum > top + 1e-9) top = sum, at = r;
        }
        EXPECT_NEAR(best[c], top, 1e-4);
        EXPECT_EQ(row[c], at);
    }
}

TEST_P(KernelTest, OfferKeepsTheLargestPositiveValues) {
    for (uint32_t n : {1u, 7u, 100u, 1000u}) {
        const auto values = random_values(n, 6 + n);
        std::vector<uint32_t> index(9, 77);
        std::vector<float> value(9, 0);
        TopList list{index.data(), value.data(), 9, 0, 0.0f};
        GetParam()->offer(values.data(), n / 2, 0, list);
        GetParam()->offer(values.data() + n / 2, n - n / 2, n / 2, list);
        std::vector<uint32_t> order(n);
        std::iota(order.begin(), order.end(), 0u);
        std::stable_sort(order.begin(), order.end(),
                         [&](uint32_t a, uint32_t b) { return values[a] > values[b]; });
        uint32_t expected = 0;
        while (expected < std::min(n, 9u) && values[order[expected]] > 0) ++expected;
        ASSERT_EQ(list.count, expected);
        for (uint32_t i = 0; i < expected; ++i) EXPECT_EQ(index[i], order[i]);
    }
}

TEST_P(KernelTest, HalvesRoundTripAndRoundToNearest) {
    const float cases[] = {0.0f,     -0.0f,    1.0f,      -2.5f,    65504.0f, 65519.0f,
                           65520.0f, -1e6f,    6.1e-5f,   5.96e-8f, 2.9e-8f,  3.1e-8f,
                           0.1f,     1.00049f, 1.000488f, 3.14159f, 1e-20f};
    std::vector<uint16_t> half(std::size(cases)), twin(std::size(cases));
    GetParam()->to_half(cases, std::size(cases), half.data());
    portable_kernels().to_half(cases, std::size(cases), twin.data());
    EXPECT_EQ(half, twin);
    std::vector<float> back(std::size(cases));
    GetParam()->to_float(half.data(), half.size(), back.data());
    for (size_t i = 0; i < back.size(); ++i) {
        if (std::isinf(back[i])) {
            EXPECT_GE(std::fabs(cases[i]), 65520.0f);
        } else {
            EXPECT_NEAR(back[i], cases[i], std::fabs(cases[i]) / 2048 + 3e-8);
        }
    }
}

TEST_P(KernelTest, AllHalvesSurvive) {
    std::vector<uint16_t> half(65536), back(65536);
    std::iota(half.begin(), half.end(), 0);
    std::vector<float> values(65536);
    GetParam()->to_float(half.data(), half.size(), values.data());
    GetParam()->to_half(values.data(), values.size(), back.data());
    for (size_t i = 0; i < half.size(); ++i) {
        if (std::isnan(values[i])) continue;
        ASSERT_EQ(back[i], half[i]);
    }
}

TEST_P(KernelTest, AdamMatchesTheFormula) {
    auto p = random_values(19, 8);
    const auto start = p, gradient = random_values(19, 9);
    std::vector<float> m(19, 0.1f), v(19, 0.2f);
    AdamStep step;
    step.rate = 0.01f;
    step.correction1 = 0.19f;
    step.correction2 = 0.0199f;
    GetParam()->adam(gradient.data(), 19, step, p.data(), m.data(), v.data());
    for (size_t i = 0; i < 19; ++i) {
        const double em = 0.9 * 0.1 + 0.1 * gradient[i];
        const double ev = 0.99 * 0.2 + 0.01 * gradient[i] * gradient[i];
        EXPECT_NEAR(p[i], start[i] - 0.01 * (em / 0.19) / (std::sqrt(ev / 0.0199) + 1e-8), 1e-6);
    }
}

INSTANTIATE_TEST_SUITE_P(Tables, KernelTest, testing::Values(&portable_kernels(), avx2_kernels()),
                         [](const auto& table) { return table.index == 0 ? "portable" : "avx2"; });

TEST(Rows, LargeConstantPartKeepsItsPrecision) {
    constexpr uint32_t kD = 8;
    auto values = random_values(500 * kD, 10);
    for (size_t i = 0; i < values.size(); ++i) values[i] += 300.0f * static_cast<float>(i % kD);
    HalfRows rows(kD);
    rows.append(values.data(), 500, kD);
    std::vector<float> back(values.size());
    rows.read(0, 500, back.data());
    for (size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(back[i], values[i], 5e-3);
    EXPECT_NEAR(rows.variance(rows.mean()), 1.0, 0.1);
}

TEST(Rows, RowEqualToTheMeanBecomesZero) {
    std::vector<float> row{1, 2, 3, 4};
    HalfRows rows(4);
    rows.append(row.data(), 1, 4);
    std::vector<float> out(4, 9.0f);
    read_unit(rows, 0, 1, row, out.data());
    EXPECT_EQ(out, std::vector<float>(4, 0.0f));
}

}  // namespace
}  // namespace s3attn
