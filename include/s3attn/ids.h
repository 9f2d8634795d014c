// Numbers that name things in a store. Each kind is a type of its own, so that none is taken for
// another, or for a path: DocumentId(7) is made by hand, .value is the number.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace s3attn {

template <class Kind, class Number>
struct TypedNumber {
    Number value = 0;

    constexpr TypedNumber() = default;
    constexpr explicit TypedNumber(Number number) : value(number) {}
    friend constexpr auto operator<=>(TypedNumber, TypedNumber) = default;
};

using DocumentId = TypedNumber<struct DocumentKind, int64_t>;  // from 1; never given out twice
using UnitId = TypedNumber<struct UnitKind, int64_t>;          // likewise
// Of a token among all that a store ever held.
using TokenPosition = TypedNumber<struct TokenKind, uint64_t>;

constexpr TokenPosition operator+(TokenPosition position, uint64_t tokens) {
    return TokenPosition(position.value + tokens);
}
// Tokens from `first` to `last`, which does not stand before it.
constexpr uint64_t operator-(TokenPosition last, TokenPosition first) {
    return last.value - first.value;
}

template <class Kind, class Number>
std::string to_string(TypedNumber<Kind, Number> id) {
    return std::to_string(id.value);
}

}  // namespace s3attn

template <class Kind, class Number>
struct std::hash<s3attn::TypedNumber<Kind, Number>> {
    size_t operator()(s3attn::TypedNumber<Kind, Number> id) const noexcept {
        return std::hash<Number>()(id.value);
    }
};
