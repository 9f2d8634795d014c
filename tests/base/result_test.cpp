#include "s3attn/result.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <new>
#include <string>
#include <system_error>
#include <type_traits>
#include <unordered_set>

#include "base/guarded.h"
#include "s3attn/ids.h"
#include "s3attn/reason.h"

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

TEST(Result, AnErrorHasAReasonThatProgramsMatch) {
    const Error plain = make_error(ErrorCode::kNotFound, "no such thing");
    EXPECT_EQ(plain.reason, "not_found");
    EXPECT_EQ(plain.subject, "");
    const Error exact = make_error(ErrorCode::kBusy, reason::kStoreBusy, "notes.s3", "in use");
    EXPECT_EQ(exact.code, ErrorCode::kBusy);
    EXPECT_EQ(exact.reason, "store.busy");
    EXPECT_EQ(exact.subject, "notes.s3");
    EXPECT_EQ(exact.message, "in use");
}

template <class Exception>
Error thrown(const Exception& exception) {
    const Status status = guarded([&]() -> Status { throw exception; });
    EXPECT_FALSE(status.ok());
    return status.error();
}

TEST(Guarded, ExceptionsBecomeErrors) {
    EXPECT_TRUE(guarded([]() -> Status { return {}; }).ok());
    EXPECT_EQ(thrown(std::bad_alloc()).code, ErrorCode::kExhausted);
    EXPECT_EQ(thrown(std::bad_alloc()).reason, reason::kNoMemory);
    const auto no_thread = std::make_error_code(std::errc::resource_unavailable_try_again);
    EXPECT_EQ(thrown(std::system_error(no_thread)).code, ErrorCode::kExhausted);
    EXPECT_EQ(thrown(std::system_error(no_thread)).reason, reason::kNoThread);
    const auto denied = std::make_error_code(std::errc::permission_denied);
    EXPECT_EQ(thrown(std::system_error(denied)).code, ErrorCode::kIo);
    const std::filesystem::filesystem_error file("cannot look", "/some/file", denied);
    EXPECT_EQ(thrown(file).code, ErrorCode::kIo);
    EXPECT_EQ(thrown(file).subject, "/some/file");
    EXPECT_EQ(thrown(std::logic_error("a bug")).code, ErrorCode::kInternal);
    EXPECT_EQ(thrown(std::logic_error("a bug")).message, "a bug");
    EXPECT_EQ(thrown(42).code, ErrorCode::kInternal);
}

TEST(Ids, AreNumbersOfTheirOwn) {
    static_assert(!std::is_convertible_v<int64_t, DocumentId>);
    static_assert(!std::is_convertible_v<DocumentId, UnitId>);
    static_assert(sizeof(DocumentId) == sizeof(int64_t) && std::is_trivially_copyable_v<UnitId>);
    EXPECT_LT(DocumentId(2), DocumentId(10));
    EXPECT_EQ(to_string(UnitId(7)), "7");
    EXPECT_EQ(TokenPosition(7) + 3, TokenPosition(10));
    EXPECT_EQ(TokenPosition(10) - TokenPosition(7), 3u);
    EXPECT_EQ(std::unordered_set<UnitId>({UnitId(1), UnitId(1), UnitId(2)}).size(), 2u);
}

TEST(ErrorCode, NamesAreDistinct) {
    EXPECT_STREQ(to_string(ErrorCode::kExhausted), "exhausted");
    EXPECT_STREQ(to_string(ErrorCode::kInvalidArgument), "invalid_argument");
    EXPECT_STREQ(to_string(ErrorCode::kNotFound), "not_found");
    EXPECT_STREQ(to_string(ErrorCode::kCorrupt), "corrupt");
    EXPECT_STREQ(to_string(ErrorCode::kInternal), "internal");
}

}  // namespace
}  // namespace s3attn
