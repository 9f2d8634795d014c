// The public surface: no exception leaves the library. What the standard library throws where
// memory or threads run out becomes an Error there.
#pragma once

#include <utility>

#include "s3attn/result.h"

namespace s3attn {

// Of the exception that is being handled.
Error error_of_exception() noexcept;

// call(), whose result is a Result, with exceptions as errors.
template <class Call>
auto guarded(Call&& call) noexcept -> decltype(call()) {
    try {
        return std::forward<Call>(call)();
    } catch (...) {
        return error_of_exception();
    }
}

}  // namespace s3attn
