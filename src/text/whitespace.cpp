#include "text/whitespace.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include "base/utf8.h"

namespace s3attn::text {
namespace {

unsigned char byte_at(std::string_view text, size_t i) {
    return static_cast<unsigned char>(text[i]);
}

bool is_wide_space(std::string_view text) {  // the three-byte ones
    const unsigned char a = byte_at(text, 0), b = byte_at(text, 1), c = byte_at(text, 2);
    if (a == 0xE1) return b == 0x9A && c == 0x80;  // U+1680
    if (a == 0xE3) return b == 0x80 && c == 0x80;  // U+3000
    if (a != 0xE2) return false;
    if (b == 0x81) return c == 0x9F;                                         // U+205F
    return b == 0x80 && (c <= 0x8A || c == 0xA8 || c == 0xA9 || c == 0xAF);  // U+2000..
}

bool is_latin_space(unsigned char second) {  // after 0xC2: U+0085, U+00A0
    return second == 0x85 || second == 0xA0;
}

}  // namespace

size_t whitespace_length(std::string_view text) {
    if (text.empty() || !may_be_whitespace(byte_at(text, 0))) return 0;
    const unsigned char first = byte_at(text, 0);
    if (first < 0x80) return 1;
    if (first == 0xC2) return text.size() >= 2 && is_latin_space(byte_at(text, 1)) ? 2 : 0;
    return text.size() >= 3 && is_wide_space(text) ? 3 : 0;
}

std::string_view trim_end(std::string_view text) {
    for (;;) {
        const size_t n = text.size();
        if (n >= 1 && byte_at(text, n - 1) < 0x80 && whitespace_length(text.substr(n - 1)) == 1) {
            text.remove_suffix(1);
        } else if (n >= 2 && whitespace_length(text.substr(n - 2)) == 2) {
            text.remove_suffix(2);
        } else if (n >= 3 && whitespace_length(text.substr(n - 3)) == 3) {
            text.remove_suffix(3);
        } else {
            return text;
        }
    }
}

std::string_view trim(std::string_view text) {
    while (const size_t n = whitespace_length(text)) text.remove_prefix(n);
    return trim_end(text);
}

bool is_invisible(std::string_view text) {
    const auto length = static_cast<int32_t>(text.size());
    for (int32_t at = 0; at < length;) {
        UChar32 c = 0;
        U8_NEXT(text.data(), at, length, c);
        const bool hidden =
            c >= 0 && (u_isUWhiteSpace(c) || u_iscntrl(c) || u_charType(c) == U_FORMAT_CHAR ||
                       u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT));
        if (!hidden) return false;
    }
    return true;
}

size_t character_boundary(std::string_view text, size_t length) {
    if (length >= text.size()) return text.size();
    while (length > 0 && utf8_continues(text[length])) --length;
    return length;
}

SpaceRun space_run(std::string_view text) {
    SpaceRun run;
    while (const size_t n = whitespace_length(text.substr(run.length))) {
        const char c = text[run.length];
        if (c == '\n') {
            // The LF of a CR LF was counted with its CR.
            if (run.length == 0 || text[run.length - 1] != '\r') ++run.breaks;
        } else if (c == '\r') {
            ++run.breaks;
        } else if (c == '\f') {
            run.form_feed = true;
        } else if (n == 3 && byte_at(text, run.length) == 0xE2) {
            const unsigned char last = byte_at(text, run.length + 2);
            if (byte_at(text, run.length + 1) == 0x80 && last == 0xA8) run.breaks += 1;
            if (byte_at(text, run.length + 1) == 0x80 && last == 0xA9) run.breaks += 2;
        }
        run.length += n;
    }
    return run;
}

uint32_t count_line_ends(std::string_view text, char previous) {
    uint32_t count = 0;
    for (const char c : text) {
        if (c == '\r' || (c == '\n' && previous != '\r')) ++count;
        previous = c;
    }
    return count;
}

}  // namespace s3attn::text
