#include "s3attn/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace s3attn {
namespace {

Result<int> parse_digit(char c) {
    if (c < '0' || c > '9') {
        return make_error(ErrorCode::kInvalidArgument, std::string("not a digit: ") + c);
    }
    return c - '0';
}
Result<int> sum_digits(const std::string& text) {
    int sum = 0;
    for (const char c : text) {
        S3ATTN_TRY(const int digit, parse_digit(c));
        S3ATTN_TRY(const int again, parse_digit(c));  // twice in one scope: names must not clash
        sum += digit + again;
    }
    return sum;
}
Status require_even(int n) {
    if (n % 2 != 0) return make_error(ErrorCode::kMismatch, "odd");
    return {};
}
Result<std::string> describe(int n) {
    S3ATTN_CHECK(require_even(n));
    if (n > 2) S3ATTN_CHECK(require_even(n / 2));  // one statement, also without braces
    return std::string("even");
}

TEST(Result, HoldsAValueOrAnError) {
    const Result<int> value = 7;
    EXPECT_TRUE(value.ok());
    EXPECT_TRUE(static_cast<bool>(value));
    EXPECT_EQ(*value, 7);
    const Result<int> error = make_error(ErrorCode::kIo, "disk");
    EXPECT_FALSE(error.ok());
    EXPECT_EQ(error.error().code, ErrorCode::kIo);
    EXPECT_EQ(error.error().message, "disk");
}

TEST(Result, MovesItsValueOut) {
    Result<std::unique_ptr<int>> result = std::make_unique<int>(3);
    EXPECT_EQ(**result, 3);
    const std::unique_ptr<int> taken = std::move(result).value();
    EXPECT_EQ(*taken, 3);
    EXPECT_EQ(result.value(), nullptr);
}

TEST(Result, StatusIsOkByDefault) {
    EXPECT_TRUE(Status().ok());
    const Status failed = make_error(ErrorCode::kBusy, "locked");
    EXPECT_FALSE(failed);
    EXPECT_EQ(failed.error().message, "locked");
}

TEST(Result, TryReturnsTheFirstError) {
    EXPECT_EQ(*sum_digits("123"), 12);
    const auto failed = sum_digits("1x!");
    ASSERT_FALSE(failed.ok());
    EXPECT_EQ(failed.error().message, "not a digit: x");
}

TEST(Result, CheckReturnsTheErrorOfAnotherType) {
    EXPECT_EQ(*describe(4), "even");
    EXPECT_EQ(describe(3).error().code, ErrorCode::kMismatch);
    EXPECT_EQ(describe(6).error().message, "odd");
}

TEST(ErrorCode, NamesAreDistinct) {
    EXPECT_STREQ(to_string(ErrorCode::kInvalidArgument), "invalid_argument");
    EXPECT_STREQ(to_string(ErrorCode::kNotFound), "not_found");
    EXPECT_STREQ(to_string(ErrorCode::kCorrupt), "corrupt");
    EXPECT_STREQ(to_string(ErrorCode::kInternal), "internal");
}

}  // namespace
}  // namespace s3attn
