#include "base/checked.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdint>
#include <limits>

namespace s3attn {
namespace {

// Twin: 16-bit operands computed in 64 bits cannot overflow, so the range check is exact.
RC_GTEST_PROP(Checked, AddEqualsWideSum, (int16_t a, int16_t b)) {
    const int64_t wide = int64_t{a} + b;
    const bool fits = wide >= INT16_MIN && wide <= INT16_MAX;
    const auto sum = checked_add<int16_t>(a, b);
    RC_ASSERT(sum.has_value() == fits);
    if (fits) RC_ASSERT(*sum == wide);
}

RC_GTEST_PROP(Checked, MulEqualsWideProduct, (uint16_t a, uint16_t b)) {
    const uint64_t wide = uint64_t{a} * b;
    const auto product = checked_mul<uint16_t>(a, b);
    RC_ASSERT(product.has_value() == (wide <= UINT16_MAX));
    if (product) RC_ASSERT(*product == wide);
}

TEST(Checked, EdgesOf64Bits) {
    constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
    EXPECT_EQ(checked_add<uint64_t>(kMax - 1, 1), kMax);
    EXPECT_EQ(checked_add<uint64_t>(kMax, 1), std::nullopt);
    EXPECT_EQ(checked_mul<uint64_t>(kMax, 1), kMax);
    EXPECT_EQ(checked_mul<uint64_t>(kMax / 2 + 1, 2), std::nullopt);
    EXPECT_EQ(checked_mul<int64_t>(std::numeric_limits<int64_t>::min(), -1), std::nullopt);
}

}  // namespace
}  // namespace s3attn
