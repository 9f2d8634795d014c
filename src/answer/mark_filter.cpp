#include "answer/mark_filter.h"

#include <algorithm>
#include <utility>

namespace s3attn {
namespace {

constexpr size_t kMaxHeld = 256;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_inside_mark(char c) {
    return is_digit(c) || c == ',' || c == ';' || c == '-' || c == ' ' || c == '[';
}
bool closes_up(char c) {
    return c == '.' || c == ',' || c == ';' || c == ':' || c == '!' || c == '?' || c == ')';
}

// All numbers of a mark; too large ones become UINT32_MAX.
std::vector<uint32_t> parse_numbers(std::string_view mark) {
    std::vector<uint32_t> numbers;
    bool inside = false;
    for (const char c : mark) {
        if (!is_digit(c)) {
            inside = false;
            continue;
        }
        if (!inside) numbers.push_back(0);
        inside = true;
        const uint64_t value = uint64_t{numbers.back()} * 10 + static_cast<uint64_t>(c - '0');
        numbers.back() = static_cast<uint32_t>(std::min<uint64_t>(value, UINT32_MAX));
    }
    return numbers;
}

}  // namespace

void MarkFilter::emit(std::string_view text) {
    for (const char c : text) {
        if (is_space(c)) {
            spaces_.push_back(c);
            continue;
        }
        if (started_ && removed_) {  // "Paris [9]." -> "Paris.", "Paris [9] is" -> "Paris is"
            const bool line = spaces_.find('\n') != std::string::npos;
            spaces_ = closes_up(c) || spaces_.empty() ? "" : line ? "\n" : " ";
        }
        if (started_) out_ += spaces_;
        spaces_.clear();
        removed_ = false;
        started_ = true;
        out_.push_back(c);
    }
}

// held_ ends with a mark that was just closed: "[" ... "]", perhaps behind other open brackets.
void MarkFilter::close_mark() {
    const size_t begin = held_.rfind('[');
    const std::string mark = held_.substr(begin);
    const std::vector<uint32_t> numbers = parse_numbers(mark);
    std::vector<uint32_t> valid;
    for (const uint32_t number : numbers) {
        if (number >= 1 && number <= n_) valid.push_back(number);
    }
    if (!numbers.empty() && valid.empty()) {
        held_.resize(begin);
        // What is left is an open bracket still, so it goes on being held.
        if (held_.empty()) removed_ = true;
        return;
    }
    for (const uint32_t number : valid) {
        if (std::find(numbers_.begin(), numbers_.end(), number) == numbers_.end()) {
            numbers_.push_back(number);
        }
    }
    std::string shown = mark;
    if (valid.size() != numbers.size()) {
        shown = "[";
        for (const uint32_t number : valid) {
            if (shown.size() > 1) shown += ", ";
            shown += std::to_string(number);
        }
        shown += "]";
    }
    emit(held_.substr(0, begin) + shown);
    held_.clear();
}

std::string MarkFilter::feed(std::string_view piece) {
    for (const char c : piece) {
        if (held_.empty()) {
            if (c == '[') {
                held_ = "[";
            } else {
                emit({&c, 1});
            }
        } else if (c == ']') {
            held_ += c;
            close_mark();
        } else if (is_inside_mark(c)) {
            held_ += c;
            // No mark is this long; only the innermost bracket can still become one.
            if (held_.size() > kMaxHeld) {
                const size_t begin = held_.rfind('[');
                held_ = begin == 0 ? "" : held_.substr(begin);
            }
        } else {
            emit(held_);
            held_.clear();
            emit({&c, 1});
        }
    }
    return std::exchange(out_, {});
}

std::string MarkFilter::finish() {
    if (std::none_of(held_.begin(), held_.end(), is_digit)) emit(held_);
    held_.clear();
    spaces_.clear();
    return std::exchange(out_, {});
}

}  // namespace s3attn
