#include "text/pdf_line_end.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <functional>

#include "text/english_words.h"
#include "text/whitespace.h"

namespace s3attn::text {
namespace {

constexpr size_t kMostWords = 1 << 20;
constexpr std::string_view kSoftHyphen = "\xC2\xAD", kHyphen = "\xE2\x80\x90";

UChar32 first_of(std::string_view text) {
    size_t i = 0;
    UChar32 c = 0;
    if (!text.empty()) U8_NEXT(text.data(), i, text.size(), c);
    return c;
}

UChar32 take_last(std::string_view& text) {
    auto i = static_cast<int32_t>(text.size());  // of a line, which is short
    UChar32 c = 0;
    if (i > 0) U8_PREV(text.data(), 0, i, c);
    text = text.substr(0, static_cast<size_t>(i));
    return c;
}

std::string_view leading_letters(std::string_view text) {
    size_t i = 0;
    while (i < text.size()) {
        size_t next = i;
        UChar32 c = 0;
        U8_NEXT(text.data(), next, text.size(), c);
        if (!u_isalpha(c)) break;
        i = next;
    }
    return text.substr(0, i);
}

std::string_view trailing_letters(std::string_view text) {
    std::string_view before = text;
    for (;;) {
        std::string_view shorter = before;
        if (before.empty() || !u_isalpha(take_last(shorter))) break;
        before = shorter;
    }
    return text.substr(before.size());
}

std::string_view letters_within(std::string_view word) {
    size_t i = 0;
    while (i < word.size()) {
        size_t next = i;
        UChar32 c = 0;
        U8_NEXT(word.data(), next, word.size(), c);
        if (u_isalpha(c)) break;
        i = next;
    }
    return leading_letters(word.substr(i));
}

std::string lower_ascii(std::string_view word) {
    std::string lower(word);
    for (char& c : lower) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return lower;
}

bool begins_item(std::string_view text) {
    const UChar32 c = first_of(text);
    return !u_isalnum(c) && c != '(' && c != '"' && c != '\'' && c != 0x201C && c != 0x2018;
}

}  // namespace

void WordsOfDocument::add(const PdfLine& line) {
    for (size_t i = 0; i < line.words.size(); ++i) {
        const std::string& word = line.words[i].text;
        const bool part = (i == 0 && after_hyphen_) ||
                          (i + 1 == line.words.size() && !hyphen_at_end(word).empty());
        const std::string_view letters = letters_within(word);
        if (part || letters.empty() || hashes_.size() >= kMostWords) continue;
        hashes_.insert(std::hash<std::string_view>{}(letters));
    }
    after_hyphen_ = !line.words.empty() && !hyphen_at_end(line.words.back().text).empty();
}

bool WordsOfDocument::has(std::string_view word) const {
    return hashes_.contains(std::hash<std::string_view>{}(word));
}

std::string hyphen_at_end(std::string_view line) {
    for (const std::string_view hyphen : {std::string_view("-"), kHyphen, kSoftHyphen}) {
        if (!line.ends_with(hyphen)) continue;
        std::string_view before = line.substr(0, line.size() - hyphen.size());
        if (u_isalnum(take_last(before))) return std::string(hyphen);
    }
    return {};
}

bool keeps_hyphen(std::string_view hyphen, std::string_view line, std::string_view next,
                  const WordsOfDocument& words) {
    if (hyphen == kSoftHyphen) return false;
    const std::string_view end = trailing_letters(line), begin = leading_letters(next);
    if (end.empty() || begin.empty()) return true;
    const std::string joined = std::string(end) + std::string(begin);
    if (words.has(joined) || words.has(lower_ascii(joined))) return false;
    // "twelvemonth" is a word, and "twelve-month" is what was meant.
    static constexpr std::string_view kNumbers[] = {
        "one",   "two",   "three", "four",    "five",   "six",    "seven",
        "eight", "nine",  "ten",   "eleven",  "twelve", "twenty", "thirty",
        "forty", "fifty", "sixty", "seventy", "eighty", "ninety"};
    if (std::find(std::begin(kNumbers), std::end(kNumbers), lower_ascii(end)) !=
        std::end(kNumbers)) {
        return true;
    }
    // "Wasser- und Luftpflege": what is left out before it ends with a hyphen of its own. No
    // language cuts a word in front of its last letter.
    static constexpr std::string_view kJoining[] = {"und", "oder", "bis",  "sowie", "bzw", "et",
                                                    "ou",  "en",   "of",   "och",   "og",  "eller",
                                                    "ja",  "tai",  "oraz", "lub",   "nebo"};
    if (begin.size() == 1 ||
        std::find(std::begin(kJoining), std::end(kJoining), begin) != std::end(kJoining)) {
        return true;
    }
    const KnownWord whole = is_english_word(joined);
    if (whole == KnownWord::kYes) return false;
    if (!u_islower(first_of(begin)) || words.has(begin)) return true;
    // Without a dictionary nobody knows whether it is a word of its own: what is written stays.
    return is_english_word(std::string(begin)) != KnownWord::kNo;
}

LineShape shape_of(const PdfLine& line, const std::vector<const PdfLine*>& page) {
    float left = line.box.left, right = line.box.right;
    for (const PdfLine* other : page) {
        if (other->box.left >= line.box.right || other->box.right <= line.box.left) continue;
        left = std::min(left, other->box.left);
        right = std::max(right, other->box.right);
    }
    LineShape shape;
    shape.height = line.words.empty() ? 0 : line.words.back().box.height();
    shape.words = line.words.size();
    shape.full = line.box.right - left >= (right - left) * 0.75f;
    return shape;
}

bool goes_on_over_page(std::string_view last, const LineShape& shape, const PdfLine& next) {
    UChar32 end = 0;
    do {  // behind closing quotes and brackets
        end = take_last(last);
    } while (end == '"' || end == '\'' || end == ')' || u_charType(end) == U_FINAL_PUNCTUATION);
    if (end == 0 || u_hasBinaryProperty(end, UCHAR_S_TERM) || end == ':' || end == 0x2026) {
        return false;
    }
    if (next.words.empty()) return false;
    const PdfWord& word = next.words.front();
    const float ratio = word.box.height() / std::max(shape.height, 0.1f);
    if (ratio < 0.8f || ratio > 1.2f || begins_item(word.text)) return false;
    if (u_islower(first_of(word.text))) return true;
    return shape.full && shape.words >= 4 && next.words.size() >= 2 &&
           (u_isalnum(end) || end == ',');
}

}  // namespace s3attn::text
