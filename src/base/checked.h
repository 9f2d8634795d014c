// Arithmetic on numbers that came from a file: overflow is a value, not undefined behaviour.
#pragma once

#include <concepts>
#include <optional>

namespace s3attn {

template <std::integral T>
std::optional<T> checked_add(T a, T b) {
    T result;
    if (__builtin_add_overflow(a, b, &result)) return std::nullopt;
    return result;
}

template <std::integral T>
std::optional<T> checked_mul(T a, T b) {
    T result;
    if (__builtin_mul_overflow(a, b, &result)) return std::nullopt;
    return result;
}

}  // namespace s3attn
