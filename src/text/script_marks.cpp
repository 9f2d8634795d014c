#include "text/script_marks.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>

#include "text/whitespace.h"

namespace s3attn::text {
namespace {

constexpr size_t kLongestMark = 48;  // longer content is small print, not a mark

bool is_digit(char c) { return c >= '0' && c <= '9'; }
// Of ASCII, or any part of another character: those are letters far more often than not.
bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           static_cast<unsigned char>(c) >= 0x80;
}
bool is_word(char c) { return is_digit(c) || is_letter(c); }

template <class Test>
bool all(std::string_view text, const Test& test) {
    return !text.empty() && std::all_of(text.begin(), text.end(), test);
}

bool is_number(std::string_view text) { return all(text, is_digit); }

// "12", "3, 4", "3-5": what notes are called.
bool is_note_number(std::string_view text) {
    if (text.empty()) return false;
    size_t digits = 0, run = 0;
    for (const char c : text) {
        run = is_digit(c) ? run + 1 : 0;
        digits += is_digit(c) ? 1 : 0;
        if (run > 3) return false;
        const bool dash = static_cast<unsigned char>(c) >= 0x80;  // of "3\u20135"
        if (!is_digit(c) && !dash && c != ',' && c != ' ' && c != '-' && c != ';') return false;
    }
    return digits > 0 && is_digit(text.front()) && is_digit(text.back());
}

bool is_ordinal_ending(std::string_view text) {
    constexpr std::array<std::string_view, 14> kEndings = {
        "st", "nd",  "rd",       "th",       "e",   "er",  "re",
        "me", "eme", "\u00E8me", "\u00E8re", "nde", "ste", "de"};
    return std::find(kEndings.begin(), kEndings.end(), text) != kEndings.end();
}

// Where the run of letters and digits at the end of `text` begins.
size_t last_word(std::string_view text) {
    size_t begin = text.size();
    while (begin > 0 && is_word(text[begin - 1])) --begin;
    return begin;
}

bool ends_a_sentence_part(std::string_view text) {
    for (const std::string_view end :
         {".", ",", ";", ":", "!", "?", "\"", "\u201D", "\u2019", "\u00BB", "\u3002", "\u2026"}) {
        if (text.ends_with(end)) return true;
    }
    return false;
}

bool is_year(std::string_view text, size_t begin) {
    const std::string_view word = text.substr(begin);
    if (word.size() != 4 || !is_number(word) || (word[0] != '1' && word[0] != '2')) return false;
    const char before = begin == 0 ? ' ' : text[begin - 1];
    return before != '.' && before != ',';  // part of a longer number
}

bool stands_behind_prose(std::string_view text) {
    if (ends_a_sentence_part(text)) return true;
    const size_t begin = last_word(text);
    const std::string_view word = text.substr(begin);
    return is_year(text, begin) || (word.size() >= 4 && all(word, is_letter));
}

// An asterisk, a dagger, a degree: nothing that merges with a word.
bool is_symbol(std::string_view text) {
    UChar32 c = 0;
    int32_t at = 0;
    while (at < static_cast<int32_t>(text.size())) {
        U8_NEXT(text.data(), at, static_cast<int32_t>(text.size()), c);
        if (c >= 0 && u_isalnum(c)) return false;
    }
    return true;
}

bool begins_block(std::string_view text) { return text.empty() || text.back() == '\n'; }

}  // namespace

bool begins_with_word(std::string_view text) {
    return !text.empty() && is_word(text.front()) && whitespace_length(text) == 0;
}

bool ends_with_word(std::string_view text) {
    return !text.empty() && is_word(text.back()) && trim_end(text).size() == text.size();
}

void ScriptMarks::make_note() {
    if (!open_.empty()) open_.back().kind = Kind::kNote;
}

void ScriptMarks::begin_text() {
    for (Open& mark : open_) mark.broken = true;
    caret_ = end_ = kNone;
}

void ScriptMarks::close() {
    if (open_.empty()) return;
    const Open mark = open_.back();
    open_.pop_back();
    if (mark.broken || mark.begin > text_.size()) return;
    const std::string content(trim(std::string_view(text_).substr(mark.begin)));
    if (mark.kind == Kind::kPerhapsNote) {
        const std::string_view base = std::string_view(text_).substr(0, mark.begin);
        // "3." in front of "2" is the number of a section.
        const bool numbered =
            base.size() > 1 && !is_word(base.back()) && is_digit(base[base.size() - 2]);
        if (!is_note_number(content) || numbered || !stands_behind_prose(base)) return;
    }
    text_.resize(mark.begin);
    if (content.empty()) return;
    append(mark.kind, content);
}

void ScriptMarks::append(Kind kind, const std::string& content) {
    const bool fraction = kind == Kind::kSubscript && finish_fraction(content);
    if (fraction) return;
    caret_ = kNone;
    apart_from_all_ = false;
    const bool start = begins_block(text_);
    const bool plain = is_symbol(content);
    if (content.size() > kLongestMark) {
        if (ends_with_word(text_)) text_ += ' ';
        text_ += content;
        apart_from_all_ = true;
    } else if (kind == Kind::kNote || kind == Kind::kPerhapsNote) {
        const bool bare = begins_with_word(content);
        text_ += bare ? "[" + content + "]" : content;
        apart_from_all_ = start;
    } else if (plain) {
        text_ += content;  // an asterisk, a dagger, a degree
    } else if (kind == Kind::kSubscript) {
        text_ += '_' + content;
    } else {
        append_power(content);
    }
    end_ = text_.size();
}

void ScriptMarks::append_power(const std::string& content) {
    if (content.front() == '[' || content.front() == '(') {
        text_ += content;
        return;
    }
    const bool start = begins_block(text_);
    caret_ = text_.size();
    if (is_note_number(content) && (start || stands_behind_prose(text_))) {
        text_ += "[" + content + "]";
        apart_from_all_ = start;
        return;
    }
    const bool ordinal = !text_.empty() && is_digit(text_.back()) && is_ordinal_ending(content);
    if (ordinal) {
        caret_ = kNone;
        text_ += content;
        return;
    }
    const std::string_view inner = std::string_view(content).substr(1);
    const bool simple =
        all(content, is_word) || inner.empty() ||
        std::all_of(inner.begin(), inner.end(), [](char c) { return is_digit(c) || c == '.'; });
    text_ += simple ? '^' + content : "^(" + content + ")";
}

// "15<sup>1</sup>/" and now "<sub>2</sub>".
bool ScriptMarks::finish_fraction(const std::string& content) {
    if (caret_ == kNone || end_ == kNone || end_ > text_.size() || !is_number(content))
        return false;
    const std::string_view between = std::string_view(text_).substr(end_);
    // "^3" or "[3]".
    std::string_view above = std::string_view(text_).substr(caret_ + 1, end_ - caret_ - 1);
    if (above.ends_with(']')) above.remove_suffix(1);
    if ((between != "/" && between != "\u2044") || !is_number(above)) return false;
    const bool whole = caret_ > 0 && is_word(text_[caret_ - 1]);
    const std::string numerator(above);
    text_.resize(caret_);
    text_ += (whole ? " " : "") + numerator + "/" + content;
    caret_ = kNone;
    end_ = text_.size();
    apart_from_all_ = false;
    return true;
}

void ScriptMarks::before(std::string_view next) {
    if (end_ != text_.size() || text_.empty() || !begins_with_word(next)) return;
    const char last = text_.back();
    const bool merges =
        (is_digit(last) && is_digit(next.front())) || (is_letter(last) && is_letter(next.front()));
    if (merges || apart_from_all_) text_ += ' ';
}

}  // namespace s3attn::text
