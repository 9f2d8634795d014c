#include "marks.h"

#include <algorithm>

#include "base/utf8.h"

namespace s3attn::server {
namespace {

constexpr size_t kLongestMark = 64;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// The length of the mark that begins with the "[" at `at`; 0: there is none; npos: perhaps, when
// more comes. Its numbers are added.
size_t mark_at(std::string_view text, size_t at, std::vector<uint32_t>& numbers) {
    std::vector<uint32_t> found;
    bool in_number = false;
    for (size_t i = at + 1; i < text.size(); ++i) {
        const char c = text[i];
        if (c >= '0' && c <= '9') {
            if (!in_number) found.push_back(0);
            in_number = true;
            if (found.back() > 99'999) return 0;
            found.back() = found.back() * 10 + static_cast<uint32_t>(c - '0');
        } else if (c == ']') {
            if (found.empty()) return 0;
            numbers.insert(numbers.end(), found.begin(), found.end());
            return i + 1 - at;
        } else if (c == ' ' || c == ',' || c == ';') {
            in_number = false;
        } else {
            return 0;
        }
        if (i - at > kLongestMark) return 0;
    }
    return std::string_view::npos;
}

}  // namespace

std::vector<MarkedText> MarkSplitter::feed(std::string_view piece) {
    held_ += piece;
    std::vector<MarkedText> out;
    std::string text;
    size_t at = 0;
    while (at < held_.size()) {
        size_t next = at;
        while (next < held_.size() && is_space(held_[next])) ++next;
        if (next == held_.size()) break;  // spaces, perhaps before a mark
        if (held_[next] != '[') {
            text.append(held_, at, next + 1 - at);
            at = next + 1;
            continue;
        }
        std::vector<uint32_t> numbers;
        const size_t length = mark_at(held_, next, numbers);
        if (length == std::string_view::npos) break;
        if (length == 0) {
            text.append(held_, at, next + 1 - at);
            at = next + 1;
            continue;
        }
        if (text.empty() && !out.empty()) {  // a mark right behind another
            out.back().numbers.insert(out.back().numbers.end(), numbers.begin(), numbers.end());
        } else {
            out.push_back({std::move(text), std::move(numbers)});
            text.clear();
        }
        at = next + length;
    }
    held_.erase(0, at);
    if (!text.empty()) out.push_back({std::move(text), {}});
    return out;
}

std::vector<MarkedText> MarkSplitter::finish() {
    std::vector<MarkedText> out;
    if (held_.find('[') != std::string::npos) out.push_back({held_, {}});
    held_.clear();
    return out;
}

size_t count_characters(std::string_view text) {
    return static_cast<size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return !utf8_continues(c); }));
}

std::vector<size_t> places_of_mark(std::string_view text, uint32_t number) {
    std::vector<size_t> places;
    for (size_t at = text.find('['); at != text.npos; at = text.find('[', at + 1)) {
        std::vector<uint32_t> numbers;
        const size_t length = mark_at(text, at, numbers);
        if (length == 0 || length == text.npos) continue;
        if (std::find(numbers.begin(), numbers.end(), number) != numbers.end()) {
            places.push_back(count_characters(text.substr(0, at)));
        }
    }
    return places;
}

}  // namespace s3attn::server
