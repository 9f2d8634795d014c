#include "eval/metrics/python_text.h"

#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/ustring.h>

#include <algorithm>

namespace s3attn::eval {
namespace {

icu::UnicodeString decode(std::string_view utf8) {
    return icu::UnicodeString::fromUTF8(
        icu::StringPiece(utf8.data(), static_cast<int32_t>(utf8.size())));
}

std::u32string to_utf32(const icu::UnicodeString& text) {
    std::u32string out;
    out.reserve(static_cast<size_t>(text.length()));
    for (int32_t i = 0; i < text.length(); i = text.moveIndex32(i, 1)) {
        out.push_back(static_cast<char32_t>(text.char32At(i)));
    }
    return out;
}

}  // namespace

std::u32string code_points(std::string_view utf8) { return to_utf32(decode(utf8)); }

std::u32string python_lower(std::string_view utf8) {
    icu::UnicodeString text = decode(utf8);
    text.toLower(icu::Locale::getRoot());
    return to_utf32(text);
}

bool python_space(char32_t c) {
    if (c < 0x80) return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20);
    const auto direction = u_charDirection(static_cast<UChar32>(c));
    return u_charType(static_cast<UChar32>(c)) == U_SPACE_SEPARATOR ||
           direction == U_WHITE_SPACE_NEUTRAL || direction == U_BLOCK_SEPARATOR ||
           direction == U_SEGMENT_SEPARATOR;
}

bool python_word(char32_t c) {
    const uint32_t mask = U_GET_GC_MASK(static_cast<UChar32>(c));
    return c == U'_' || (mask & (U_GC_L_MASK | U_GC_N_MASK)) != 0;
}

std::vector<std::u32string> python_split(std::u32string_view text) {
    std::vector<std::u32string> words;
    for (auto at = text.begin(); at != text.end();) {
        const auto begin = std::find_if_not(at, text.end(), python_space);
        at = std::find_if(begin, text.end(), python_space);
        if (begin != at) words.emplace_back(begin, at);
    }
    return words;
}

std::vector<std::u32string> python_split_at(std::u32string_view text, char32_t c) {
    std::vector<std::u32string> parts;
    for (size_t begin = 0;;) {
        const size_t end = text.find(c, begin);
        parts.emplace_back(text.substr(begin, end == text.npos ? end : end - begin));
        if (end == text.npos) return parts;
        begin = end + 1;
    }
}

std::vector<std::u32string> digit_runs(std::u32string_view text) {
    const auto digit = [](char32_t c) { return u_isdigit(static_cast<UChar32>(c)) != 0; };
    std::vector<std::u32string> runs;
    for (auto at = text.begin(); at != text.end();) {
        const auto begin = std::find_if(at, text.end(), digit);
        at = std::find_if_not(begin, text.end(), digit);
        if (begin != at) runs.emplace_back(begin, at);
    }
    return runs;
}

}  // namespace s3attn::eval
