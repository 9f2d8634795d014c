#include "base/guarded.h"

#include <filesystem>
#include <new>
#include <system_error>

#include "s3attn/reason.h"

namespace s3attn {

Error error_of_exception() noexcept {
    // Both short enough to need no memory of their own.
    const Error no_memory{ErrorCode::kExhausted, "out of memory", reason::kNoMemory, {}};
    try {
        throw;
    } catch (const std::bad_alloc&) {
        return no_memory;
    } catch (const std::filesystem::filesystem_error& error) {
        try {
            return make_error(ErrorCode::kIo, to_string(ErrorCode::kIo), error.path1().string(),
                              error.what());
        } catch (...) {
            return no_memory;
        }
    } catch (const std::system_error& error) {
        const bool thread = error.code() == std::errc::resource_unavailable_try_again;
        try {
            if (!thread) return make_error(ErrorCode::kIo, error.what());
            return make_error(ErrorCode::kExhausted, reason::kNoThread, {},
                              "cannot start another thread: the system has none left");
        } catch (...) {
            return no_memory;
        }
    } catch (const std::exception& error) {
        try {
            return make_error(ErrorCode::kInternal, error.what());
        } catch (...) {
            return no_memory;
        }
    } catch (...) {
        return Error{ErrorCode::kInternal, "unknown error", "internal", {}};
    }
}

}  // namespace s3attn
