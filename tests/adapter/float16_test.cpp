#include "adapter/float16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

namespace s3attn {
namespace {

TEST(Float16, EveryHalfSurvivesTheRoundTrip) {
    for (uint32_t bits = 0; bits <= 0xffff; ++bits) {
        const auto half = static_cast<uint16_t>(bits);
        const float value = from_float16(half);
        if (std::isnan(value)) {
            EXPECT_TRUE(std::isnan(from_float16(to_float16(value))));
        } else {
            ASSERT_EQ(to_float16(value), half) << bits;
        }
    }
}

// The nearest half by search over all finite halves; ties go to the even one.
uint16_t nearest_by_search(float value) {
    uint16_t best = 0;
    double best_distance = std::numeric_limits<double>::infinity();
    for (uint32_t bits = 0; bits < 0x7c00; ++bits) {
        const auto half = static_cast<uint16_t>(bits);
        const double distance = std::abs(double{from_float16(half)} - std::abs(double{value}));
        if (distance < best_distance || (distance == best_distance && bits % 2 == 0)) {
            best = half;
            best_distance = distance;
        }
    }
    return static_cast<uint16_t>(best | (std::signbit(value) ? 0x8000 : 0));
}

TEST(Float16, RoundsToNearestEven) {
    std::mt19937 rng(7);
    std::uniform_real_distribution<float> exponent(-27.0f, 15.9f), sign(-1.0f, 1.0f);
    for (int i = 0; i < 300; ++i) {
        const float value = std::copysign(std::exp2(exponent(rng)), sign(rng));
        ASSERT_EQ(to_float16(value), nearest_by_search(value)) << value;
    }
    for (uint16_t half = 0; half < 0x7bff; half = static_cast<uint16_t>(half + 97)) {
        const auto next = static_cast<uint16_t>(half + 1);
        const float middle = (from_float16(half) + from_float16(next)) / 2;
        ASSERT_EQ(to_float16(middle), half % 2 == 0 ? half : next) << half;
    }
}

TEST(Float16, OverflowsToInfinityAndKeepsNan) {
    EXPECT_EQ(to_float16(65504.0f), 0x7bff);
    EXPECT_EQ(to_float16(65519.9f), 0x7bff);
    EXPECT_TRUE(std::isinf(from_float16(to_float16(65520.0f))));
    EXPECT_TRUE(std::isinf(from_float16(to_float16(-1e30f))));
    EXPECT_TRUE(std::isnan(from_float16(to_float16(std::nanf("")))));
    EXPECT_EQ(to_float16(-0.0f), 0x8000);
    EXPECT_EQ(from_bfloat16(0x3f80), 1.0f);
    EXPECT_EQ(from_bfloat16(0xc040), -3.0f);
}

}  // namespace
}  // namespace s3attn
