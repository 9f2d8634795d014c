// Result<T>: how every call of the library reports failure. The library never prints, aborts or
// exits; it returns the value or an Error whose message names the file, the place and the next
// step.
#pragma once

#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#pragma GCC visibility push(default)  // the shared library hides all else
namespace s3attn {

// What kind of failure.
enum class ErrorCode {
    kInvalidArgument,  // the caller asked for something that cannot be (empty question, bad option)
    kNotFound,         // a file, document or model is not there
    kIo,               // the operating system refused a read or write
    kCorrupt,          // bytes on disk are not what was written
    kMismatch,         // two things that must belong together do not (store and model, say)
    kUnsupported,      // known, and not supported (an architecture, a file format)
    kCancelled,        // the caller's CancelToken fired; what was committed is kept
    kBusy,             // another process holds what is needed
    kExhausted,        // no memory or threads are left; what was committed is kept
    kInternal,         // a bug of ours
};

// Short lower-case name of a code, for logs and JSON ("invalid_argument", ...).
constexpr const char* to_string(ErrorCode code) {
    switch (code) {
        case ErrorCode::kInvalidArgument: return "invalid_argument";
        case ErrorCode::kNotFound: return "not_found";
        case ErrorCode::kIo: return "io";
        case ErrorCode::kCorrupt: return "corrupt";
        case ErrorCode::kMismatch: return "mismatch";
        case ErrorCode::kUnsupported: return "unsupported";
        case ErrorCode::kCancelled: return "cancelled";
        case ErrorCode::kBusy: return "busy";
        case ErrorCode::kExhausted: return "exhausted";
        case ErrorCode::kInternal: return "internal";
    }
    return "internal";
}

// Programs branch on code and reason; people read the message, whose wording may change.
struct Error {
    ErrorCode code = ErrorCode::kInternal;
    std::string message = {};  // one sentence or two, no trailing newline
    std::string reason = {};  // which failure exactly: one of s3attn/reason.h, else the code's name
    std::string subject = {};  // the field or file it is about, where there is one
};

// Either a T or an Error. Test with ok(); value() and error() require the matching state.
template <class T>
class [[nodiscard]] Result {
  public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    bool ok() const { return state_.index() == 0; }
    explicit operator bool() const { return ok(); }

    T& value() & { return std::get<0>(state_); }
    const T& value() const& { return std::get<0>(state_); }
    // By value from a temporary: a reference into it would dangle in `for (x : *f())`.
    T value() && { return std::get<0>(std::move(state_)); }
    T* operator->() { return &std::get<0>(state_); }
    const T* operator->() const { return &std::get<0>(state_); }
    T& operator*() & { return std::get<0>(state_); }
    const T& operator*() const& { return std::get<0>(state_); }
    T operator*() && { return std::get<0>(std::move(state_)); }

    const Error& error() const { return std::get<1>(state_); }

  private:
    std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
  public:
    Result() = default;
    Result(Error error) : error_(std::move(error)) {}

    bool ok() const { return !error_.has_value(); }
    explicit operator bool() const { return ok(); }
    const Error& error() const { return *error_; }

  private:
    std::optional<Error> error_;
};

using Status = Result<void>;

inline Error make_error(ErrorCode code, std::string message) {
    return {code, std::move(message), to_string(code), {}};
}
inline Error make_error(ErrorCode code, const char* reason, std::string subject,
                        std::string message) {
    return {code, std::move(message), reason, std::move(subject)};
}

}  // namespace s3attn
#pragma GCC visibility pop

#define S3ATTN_CONCAT_INNER(a, b) a##b
#define S3ATTN_CONCAT(a, b) S3ATTN_CONCAT_INNER(a, b)

// S3ATTN_TRY(auto x, f()): x = value of f(), or return its Error from the enclosing function.
#define S3ATTN_TRY(declaration, expression) \
    S3ATTN_TRY_IMPL(declaration, expression, S3ATTN_CONCAT(s3attn_result_, __COUNTER__))
#define S3ATTN_TRY_IMPL(declaration, expression, name) \
    auto name = (expression);                          \
    if (!name.ok()) return name.error();               \
    declaration = std::move(name).value()

// S3ATTN_CHECK(f()): return f()'s Error from the enclosing function if it failed.
#define S3ATTN_CHECK(expression)                                      \
    do {                                                              \
        if (auto s3attn_status = (expression); !s3attn_status.ok()) { \
            return s3attn_status.error();                             \
        }                                                             \
    } while (false)
