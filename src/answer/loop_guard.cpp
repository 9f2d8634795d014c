#include "answer/loop_guard.h"

#include <algorithm>

#include "base/utf8.h"

namespace s3attn {
namespace {

constexpr int kMaxListDigits = 2;  // a year at the start of a line is no list number

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool has_substance(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || static_cast<unsigned char>(c) >= 0x80;
}

bool ends_sentence(std::string_view text) {
    for (const std::string_view mark : {".", "!", "?", "\"", "\n", "。", "！", "？"}) {
        if (text.ends_with(mark)) return true;
    }
    return false;
}

}  // namespace

char LoopGuard::folded(char c) {
    if (c == '\n') {
        line_digits_ = 0;
    } else if (is_digit(c) && line_digits_ >= 0 && line_digits_ < kMaxListDigits) {
        ++line_digits_;
        return '#';
    } else if (!is_space(c)) {
        line_digits_ = -1;
    }
    return lower(c);
}

bool LoopGuard::is_loop(size_t period) const {
    const size_t run = run_[period];
    if (run < std::max(2 * period, kMinRun)) return false;
    if (run >= kMinBlankRun) return true;
    return std::any_of(folded_.end() - static_cast<std::ptrdiff_t>(period), folded_.end(),
                       has_substance);
}

// The first copy may end in the middle of a sentence (in "a b. c b. c b. c b." the repetition
// starts at the second " b."): go on to the end of that sentence, or at least of the word.
size_t LoopGuard::end_of_first(size_t period) const {
    const size_t begin = text_.size() - run_[period];
    const auto at_break = [&](size_t end) {
        return is_space(text_[end]) || is_space(text_[end - 1]);
    };
    for (size_t end = begin; end < begin + period; ++end) {
        const std::string_view kept(text_.data(), end);
        const size_t last = kept.find_last_not_of(" \t\r");
        if (last == std::string_view::npos || utf8_continues(text_[end])) continue;
        if (!ends_sentence(kept.substr(0, last + 1))) continue;
        // "1.5" has a full stop and no sentence ends there.
        if (static_cast<unsigned char>(kept[last]) >= 0x80 || at_break(end)) return end;
    }
    for (size_t end = begin; end < begin + period; ++end) {
        if (at_break(end)) return end;
    }
    size_t end = begin;
    while (end < text_.size() && utf8_continues(text_[end])) ++end;
    return end;
}

void LoopGuard::append(char c) {
    if (run_.empty()) run_.assign(kMaxPeriod + 1, 0);
    folded_.push_back(folded(c));
    text_.push_back(c);
    const size_t at = folded_.size() - 1;
    // A period of n is a period of 2n too: the shortest comes first.
    for (size_t period = 1; period <= std::min(kMaxPeriod, at); ++period) {
        run_[period] = folded_[at] == folded_[at - period] ? run_[period] + 1 : 0;
    }
    for (size_t period = 1; period <= std::min(kMaxPeriod, at); ++period) {
        if (!is_loop(period)) continue;
        looping_ = true;
        end_ = std::max(end_of_first(period), shown_);
        return;
    }
}

std::string LoopGuard::feed(std::string_view piece) {
    for (const char c : piece) {
        if (looping_) break;
        append(c);
    }
    size_t end = end_;
    if (!looping_) {
        if (text_.empty()) return {};
        end = text_.size() - *std::max_element(run_.begin(), run_.end());
        while (end > shown_ && end < text_.size() && utf8_continues(text_[end])) --end;
    }
    if (end <= shown_) return {};
    const std::string out = text_.substr(shown_, end - shown_);
    shown_ = end;
    return out;
}

std::string LoopGuard::finish() {
    if (looping_) return {};
    const std::string out = text_.substr(shown_);
    shown_ = text_.size();
    return out;
}

}  // namespace s3attn
