// UTF-8 by its bytes. What needs characters (their kinds, cases, forms) asks ICU, in src/text.
#pragma once

#include <cstddef>
#include <string_view>

namespace s3attn {

// Bytes of the valid character at the front of `text`; 0 when there is none (RFC 3629: no
// overlong forms, no surrogates, nothing above U+10FFFF).
size_t utf8_length(std::string_view text);

bool is_utf8(std::string_view text);

// Whether `c` goes on with a character that an earlier byte began.
constexpr bool utf8_continues(char c) { return (static_cast<unsigned char>(c) & 0xC0u) == 0x80u; }

// Bytes of `text` without a character at its end that is only begun.
size_t utf8_whole_prefix(std::string_view text);

}  // namespace s3attn
