// Whitespace and line breaks in valid UTF-8, as the whole text layer understands them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace s3attn::text {

// Bytes of the whitespace character (Unicode White_Space) at the front of `text`, 0 if it has none.
size_t whitespace_length(std::string_view text);
// `text` without the whitespace at its end.
std::string_view trim_end(std::string_view text);
std::string_view trim(std::string_view text);
// Whether nothing of `text` can be seen: whitespace, zero-width characters and other format
// characters, control characters.
bool is_invisible(std::string_view text);
// The largest length <= `length` that does not cut a character of valid UTF-8 `text`.
size_t character_boundary(std::string_view text, size_t length);

// Whether a byte can begin a whitespace character: the cheap test in front of the exact one.
inline bool may_be_whitespace(unsigned char byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r') || byte == 0xC2 || byte == 0xE1 ||
           byte == 0xE2 || byte == 0xE3;
}

// What a run of whitespace says about structure.
struct SpaceRun {
    size_t length = 0;
    uint32_t breaks = 0;  // line ends: LF, CR LF, CR, U+2028; U+2029 counts as two
    bool form_feed = false;
};
// The run at the front of `text`. When `text` is a prefix of more text, a run that reaches its end
// may go on.
SpaceRun space_run(std::string_view text);

// Line ends (LF, CR LF, CR) in `text`; `previous` is the byte in front of it.
uint32_t count_line_ends(std::string_view text, char previous);

}  // namespace s3attn::text
