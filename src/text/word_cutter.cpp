#include "text/word_cutter.h"

#include <unicode/brkiter.h>
#include <unicode/bytestream.h>
#include <unicode/edits.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/uscript.h>
#include <unicode/utext.h>
#include <unicode/utf8.h>
#include <unicode/uversion.h>

#include <algorithm>

namespace s3attn::text {
namespace {

constexpr size_t kLongestLineEnd = 64;  // bytes between the halves of a broken word

bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }

bool is_ascii_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

UChar32 next_code_point(std::string_view text, size_t& at) {
    auto i = static_cast<int64_t>(at);
    UChar32 c;
    U8_NEXT(text.data(), i, static_cast<int64_t>(text.size()), c);
    at = static_cast<size_t>(i);
    return c;
}

void append_utf8(std::string& out, UChar32 c) {
    char buffer[U8_MAX_LENGTH];
    int32_t length = 0;
    U8_APPEND_UNSAFE(buffer, length, c);
    out.append(buffer, static_cast<size_t>(length));
}

bool is_mark(UChar32 c) { return (U_GET_GC_MASK(c) & U_GC_M_MASK) != 0; }

// Letters, numbers, and private use, which some documents write their letters with.
bool begins_word(UChar32 c) {
    return (U_GET_GC_MASK(c) & (U_GC_L_MASK | U_GC_N_MASK | U_GC_CO_MASK)) != 0;
}

// A raised figure is a power or a note and a fraction a number of its own; their normal forms
// would run into the figures in front of them.
bool stands_apart(UChar32 c) {
    return c == 0xB2 || c == 0xB3 || c == 0xB9 || (c >= 0xBC && c <= 0xBE) || c == 0x2070 ||
           (c >= 0x2074 && c <= 0x2079) || (c >= 0x2150 && c <= 0x215F) || c == 0x2189;
}

UScriptCode script_code(UChar32 c) {
    UErrorCode error = U_ZERO_ERROR;
    return uscript_getScript(c, &error);
}

bool is_unspaced(UChar32 c) {
    if (c < 0x0E00) return false;
    const UScriptCode script = script_code(c);
    return script == USCRIPT_HAN || script == USCRIPT_HIRAGANA || script == USCRIPT_KATAKANA ||
           c == 0x30FC || u_getIntPropertyValue(c, UCHAR_LINE_BREAK) == U_LB_COMPLEX_CONTEXT;
}

Script script_of(UChar32 c) {
    if (c < 0x80) return u_isalpha(c) ? Script::kLatin : Script::kNone;
    if (is_unspaced(c)) return Script::kUnspaced;
    switch (script_code(c)) {
        case USCRIPT_LATIN: return Script::kLatin;
        case USCRIPT_CYRILLIC: return Script::kCyrillic;
        case USCRIPT_GREEK: return Script::kGreek;
        case USCRIPT_ARABIC: return Script::kArabic;
        case USCRIPT_HEBREW: return Script::kHebrew;
        case USCRIPT_ARMENIAN: return Script::kArmenian;
        case USCRIPT_DEVANAGARI: return Script::kDevanagari;
        case USCRIPT_TAMIL: return Script::kTamil;
        default: return u_isalpha(c) ? Script::kOther : Script::kNone;
    }
}

// "-", U+2010 or a soft hyphen at the front of `text`: its bytes, or 0.
size_t hyphen_bytes(std::string_view text) {
    for (const std::string_view hyphen : {"-", "\xE2\x80\x90", "\xC2\xAD"}) {
        if (text.starts_with(hyphen)) return hyphen.size();
    }
    return 0;
}

// Whether nothing but a hyphen and one line end lies between [.., end) and [begin, ..).
bool broken_at_line_end(std::string_view text, size_t end, size_t begin) {
    if (begin - end > kLongestLineEnd) return false;
    std::string_view gap = text.substr(end, begin - end);
    size_t hyphens = hyphen_bytes(gap);
    gap.remove_prefix(hyphens);
    // A soft hyphen may count as the end of the word in front of it.
    if (hyphens == 0 && text.substr(0, end).ends_with("\xC2\xAD")) hyphens = 2;
    if (hyphens == 0 || gap.find_first_not_of(" \t\r\n") != gap.npos) return false;
    return std::count(gap.begin(), gap.end(), '\n') == 1;
}

// Which bytes of the source bytes of the normal form are.
class SourceMap {
  public:
    explicit SourceMap(const icu::Edits& edits) : iterator_(edits.getFineIterator()) {}
    size_t begin_of(size_t at) { return find(at, false); }
    size_t end_of(size_t at) { return find(at - 1, true); }  // `at`: behind the last byte

  private:
    size_t find(size_t at, bool end) {
        UErrorCode error = U_ZERO_ERROR;
        const auto index = static_cast<int32_t>(at);
        if (!iterator_.findDestinationIndex(index, error)) return at + (end ? 1 : 0);
        const auto source = static_cast<size_t>(iterator_.sourceIndex());
        if (iterator_.hasChange()) {
            return source + (end ? static_cast<size_t>(iterator_.oldLength()) : 0);
        }
        return source + at - static_cast<size_t>(iterator_.destinationIndex()) + (end ? 1 : 0);
    }

    icu::Edits::Iterator iterator_;
};

}  // namespace

// One cutting: what is known of the text in hand.
class WordCutter::Parts {
  public:
    using OnWord = std::function<bool(const Word&)>;

    Parts() {
        UErrorCode error = U_ZERO_ERROR;
        normalizer_ = icu::Normalizer2::getNFKCCasefoldInstance(error);
        if (U_FAILURE(error)) normalizer_ = nullptr;
    }

    void cut(std::string_view text, const OnWord& on_word) {
        text_ = text;
        on_word_ = &on_word;
        going_ = true;
        last_.form.clear();
        for (size_t at = 0; at < text.size() && going_;) {
            if (is_ascii(text[at]) && !is_ascii_word(text[at])) {
                ++at;
                continue;
            }
            const size_t begin = at;
            while (at < text.size() && is_ascii_word(text[at])) ++at;
            if (at == text.size() || is_ascii(text[at])) {
                cut_ascii(begin, at);
                continue;
            }
            while (at < text.size() && (!is_ascii(text[at]) || is_ascii_word(text[at]))) ++at;
            cut_wide(begin, at);
        }
    }

  private:
    void cut_ascii(size_t begin, size_t end) {
        word_.form.assign(text_.substr(begin, end - begin));
        bool letters = false;
        for (char& c : word_.form) {
            if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
            letters = letters || c > '9';
        }
        give(begin, end, letters ? Script::kLatin : Script::kNone);
    }

    void cut_wide(size_t begin, size_t end) {
        const std::string_view piece = text_.substr(0, end);
        size_t from = begin;
        for (size_t at = begin; at < end;) {
            const size_t before = at;
            const UChar32 c = next_code_point(piece, at);
            if (!stands_apart(c)) continue;
            normalize(from, before);
            size_t behind = at;
            // Figures raised together are one number.
            while (behind < end && stands_apart(next_code_point(piece, behind))) at = behind;
            normalize(before, at);
            from = at;
        }
        normalize(from, end);
    }

    void normalize(size_t begin, size_t end) {
        if (begin == end || !going_ || normalizer_ == nullptr) return;
        normal_.clear();
        edits_.reset();
        icu::StringByteSink<std::string> sink(&normal_);
        UErrorCode error = U_ZERO_ERROR;
        normalizer_->normalizeUTF8(0, {text_.data() + begin, static_cast<int32_t>(end - begin)},
                                   sink, &edits_, error);
        if (U_FAILURE(error)) return;
        offset_ = begin;
        limit_ = end;
        cut_normal();
    }

    // Runs of word characters of one kind: with spaces between words, or without.
    void cut_normal() {
        const std::string_view normal = normal_;
        size_t begin = 0;
        bool inside = false, unspaced = false;
        Script script = Script::kNone;
        const auto finish = [&](size_t end) {
            if (inside && going_) {
                if (unspaced) {
                    segment(begin, end);
                } else {
                    give_normal(begin, end, script);
                }
            }
            inside = false;
        };
        for (size_t at = 0; at < normal.size() && going_;) {
            const size_t before = at;
            const UChar32 c = next_code_point(normal, at);
            if (c >= 0 && inside && is_mark(c)) continue;
            if (c < 0 || !begins_word(c)) {
                finish(before);
                continue;
            }
            const Script now = script_of(c);
            if (inside && unspaced != (now == Script::kUnspaced)) finish(before);
            if (!inside) {
                begin = before;
                inside = true;
                unspaced = now == Script::kUnspaced;
                script = now;
            } else if (script == Script::kNone) {
                script = now;
            }
        }
        finish(normal.size());
    }

    void segment(size_t begin, size_t end) {
        UErrorCode error = U_ZERO_ERROR;
        if (!breaks_) {
            breaks_.reset(icu::BreakIterator::createWordInstance(icu::Locale::getRoot(), error));
        }
        UText text = UTEXT_INITIALIZER;
        utext_openUTF8(&text, normal_.data() + begin, static_cast<int64_t>(end - begin), &error);
        if (U_SUCCESS(error)) breaks_->setText(&text, error);
        if (U_SUCCESS(error)) {
            auto from = static_cast<size_t>(breaks_->first());
            for (int32_t to = breaks_->next(); to != icu::BreakIterator::DONE && going_;
                 to = breaks_->next()) {
                give_normal(begin + from, begin + static_cast<size_t>(to), Script::kUnspaced);
                from = static_cast<size_t>(to);
            }
        } else {
            give_normal(begin, end, Script::kUnspaced);
        }
        utext_close(&text);
    }

    void give_normal(size_t begin, size_t end, Script script) {
        word_.form.assign(normal_, begin, end - begin);
        SourceMap source(edits_);
        const size_t from = edits_.hasChanges() ? source.begin_of(begin) : begin;
        const size_t to = edits_.hasChanges() ? source.end_of(end) : end;
        const size_t last = std::min(offset_ + to, limit_);
        give(std::min(offset_ + from, last), last, script);
    }

    // word_.form is set.
    void give(size_t begin, size_t end, Script script) {
        word_.begin = begin;
        word_.end = end;
        word_.script = script;
        word_.again = false;
        going_ = (*on_word_)(word_);
        if (going_ && !last_.form.empty() && script != Script::kNone &&
            last_.script != Script::kNone && broken_at_line_end(text_, last_.end, begin)) {
            Word whole;
            whole.begin = last_.begin;
            whole.end = end;
            whole.form = last_.form + word_.form;
            whole.script = script;
            whole.again = true;
            going_ = (*on_word_)(whole);
        }
        std::swap(last_, word_);
    }

    const icu::Normalizer2* normalizer_ = nullptr;  // ICU's own, for ever
    std::unique_ptr<icu::BreakIterator> breaks_;
    std::string_view text_;
    const OnWord* on_word_ = nullptr;
    bool going_ = true;
    Word word_, last_;
    std::string normal_;
    icu::Edits edits_;
    size_t offset_ = 0, limit_ = 0;  // where normal_ stands in text_
};

WordCutter::WordCutter() : parts_(std::make_unique<Parts>()) {}
WordCutter::~WordCutter() = default;
WordCutter::WordCutter(WordCutter&&) noexcept = default;
WordCutter& WordCutter::operator=(WordCutter&&) noexcept = default;

void WordCutter::cut(std::string_view text, const std::function<bool(const Word&)>& on_word) {
    parts_->cut(text, on_word);
}

namespace {

// Marks of these scripts are points and accents; elsewhere they are the word's vowels.
bool may_go(UChar32 mark) {
    if (u_charType(mark) == U_COMBINING_SPACING_MARK) return false;
    switch (script_code(mark)) {
        case USCRIPT_INHERITED:
        case USCRIPT_COMMON:
        case USCRIPT_LATIN:
        case USCRIPT_GREEK:
        case USCRIPT_CYRILLIC:
        case USCRIPT_ARABIC:
        case USCRIPT_HEBREW:
        case USCRIPT_SYRIAC: return true;
        default: return false;
    }
}

// Letters with a stroke, and the dotless i, have no decomposition.
UChar32 plain_letter(UChar32 c) {
    switch (c) {
        case 0x0111: return 'd';
        case 0x0127: return 'h';
        case 0x0131: return 'i';
        case 0x0142: return 'l';
        case 0x0167: return 't';
        case 0x00F8: return 'o';
        case 0x0640: return U_SENTINEL;  // stretches an Arabic word
        default: return c;
    }
}

void append_plain(std::string& out, UChar32 c) {
    const Script script = script_of(c);
    if (script == Script::kUnspaced || script == Script::kOther) {
        append_utf8(out, c);  // kana and Hangul decompose into what must stay together
        return;
    }
    UErrorCode error = U_ZERO_ERROR;
    const icu::Normalizer2* decomposer = icu::Normalizer2::getNFDInstance(error);
    icu::UnicodeString parts;
    if (U_FAILURE(error) || !decomposer->getDecomposition(c, parts)) parts = c;
    for (int32_t i = 0; i < parts.length(); i = parts.moveIndex32(i, 1)) {
        const UChar32 part = plain_letter(parts.char32At(i));
        if (part >= 0 && !(is_mark(part) && may_go(part))) append_utf8(out, part);
    }
}

}  // namespace

std::string without_marks(std::string_view form) {
    if (std::all_of(form.begin(), form.end(), is_ascii)) return std::string(form);
    std::string plain;
    for (size_t at = 0; at < form.size();) {
        const UChar32 c = next_code_point(form, at);
        if (c >= 0) append_plain(plain, c);
    }
    return plain.empty() ? std::string(form) : plain;
}

uint32_t word_tables_version() {
    UVersionInfo version;
    u_getVersion(version);
    return static_cast<uint32_t>(version[0]) * 100 + version[1];
}

}  // namespace s3attn::text
