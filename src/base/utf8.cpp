#include "base/utf8.h"

#include <algorithm>

namespace s3attn {
namespace {

struct Lead {
    size_t length;  // 0: not a lead byte
    unsigned char second_min, second_max;
};

Lead classify(unsigned char c) {
    if (c < 0x80) return {1, 0, 0};
    if (c >= 0xC2 && c <= 0xDF) return {2, 0x80, 0xBF};
    if (c == 0xE0) return {3, 0xA0, 0xBF};
    if (c == 0xED) return {3, 0x80, 0x9F};
    if (c >= 0xE1 && c <= 0xEF) return {3, 0x80, 0xBF};
    if (c == 0xF0) return {4, 0x90, 0xBF};
    if (c >= 0xF1 && c <= 0xF3) return {4, 0x80, 0xBF};
    if (c == 0xF4) return {4, 0x80, 0x8F};
    return {0, 0, 0};
}

// How many of the bytes present fit the character that starts at the front.
size_t fitting(std::string_view text, const Lead& lead) {
    const size_t n = std::min(lead.length, text.size());
    for (size_t i = 1; i < n; ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        const unsigned char low = i == 1 ? lead.second_min : 0x80;
        const unsigned char high = i == 1 ? lead.second_max : 0xBF;
        if (c < low || c > high) return i;
    }
    return n;
}

}  // namespace

size_t utf8_length(std::string_view text) {
    if (text.empty()) return 0;
    const Lead lead = classify(static_cast<unsigned char>(text[0]));
    return lead.length != 0 && fitting(text, lead) == lead.length ? lead.length : 0;
}

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const size_t length = utf8_length(text);
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

size_t utf8_whole_prefix(std::string_view text) {
    const size_t look = std::min<size_t>(text.size(), 3);
    for (size_t back = 1; back <= look; ++back) {
        const std::string_view tail = text.substr(text.size() - back);
        const Lead lead = classify(static_cast<unsigned char>(tail[0]));
        if (lead.length > tail.size() && fitting(tail, lead) == tail.size()) {
            return text.size() - back;
        }
        if (lead.length != 0) break;
    }
    return text.size();
}

}  // namespace s3attn
