// The little UTF-8 that tokenizers and answer streams need.
#pragma once

#include <cstddef>
#include <string_view>

namespace s3attn {

// Bytes of the valid character at the front of `text`; 0 when there is none (RFC 3629: no
// overlong forms, no surrogates, nothing above U+10FFFF).
size_t utf8_length(std::string_view text);

// Bytes of `text` without a character at its end that is only begun.
size_t utf8_whole_prefix(std::string_view text);

}  // namespace s3attn
