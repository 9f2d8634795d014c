#include "eval/json_text.h"

#include <algorithm>

#include "base/utf8.h"

namespace s3attn::eval {
namespace {

constexpr size_t kMostMessageBytes = 160;

// Byte at which brackets nest deeper than kMaxJsonDepth; npos where they do not. `quoted`: whether
// the text ends inside a string.
size_t too_deep_at(std::string_view text, bool& quoted) {
    int depth = 0;
    quoted = false;
    for (size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quoted) {
            if (c == '\\') ++i;
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '[' || c == '{') {
            if (++depth > kMaxJsonDepth) return i;
        } else if (c == ']' || c == '}') {
            --depth;
        }
    }
    return std::string_view::npos;
}

// Of byte number `at`, counted from 0.
std::string place_of(std::string_view text, size_t at) {
    const std::string_view before = text.substr(0, at);
    const size_t newline = before.rfind('\n');
    const size_t column = newline == before.npos ? before.size() + 1 : before.size() - newline;
    std::string place = "column " + std::to_string(column);
    if (text.find('\n') == text.npos) return place;
    const auto lines = std::count(before.begin(), before.end(), '\n');
    return "line " + std::to_string(lines + 1) + ", " + place;
}

// nlohmann: "[json.exception...] parse error at line 1, column 2: syntax error while parsing X -
// why; last read: 'everything of the token, however long'". Its line is that of the piece that was
// parsed, not that of the file.
std::string why(const std::string& what) {
    size_t begin = what.find(" - ");
    begin = begin == what.npos ? 0 : begin + 3;
    return shortened(what.substr(begin), kMostMessageBytes);
}

}  // namespace

Result<Json> parse_json(std::string_view text) {
    bool in_string = false;
    if (const size_t deep = too_deep_at(text, in_string); deep != text.npos) {
        return make_error(ErrorCode::kCorrupt, "nested too deeply at " + place_of(text, deep));
    }
    try {
        return Json::parse(text);
    } catch (const Json::parse_error& error) {
        const size_t at = std::min(error.byte == 0 ? 0 : error.byte - 1, text.size());
        // nlohmann counts the end as one more byte.
        const bool too_soon = error.byte > text.size() && !in_string;
        return make_error(ErrorCode::kCorrupt, too_soon ? kEndsTooSoon : "corrupt", {},
                          "not JSON at " + place_of(text, at) + ": " + why(error.what()));
    } catch (const Json::exception& error) {  // a number beyond a double's range
        return make_error(ErrorCode::kCorrupt, "not JSON: " + why(error.what()));
    }
}

std::string shortened(std::string text, size_t bytes) {
    if (text.size() <= bytes) return text;
    while (bytes > 0 && utf8_continues(text[bytes])) --bytes;
    return text.substr(0, bytes) + "...";
}

}  // namespace s3attn::eval
