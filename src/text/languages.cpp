#include "text/languages.h"

#include <cld2/public/compact_lang_det.h>
#include <cld2/public/encodings.h>
#include <libstemmer.h>
#include <unicode/uscript.h>

#include <algorithm>
#include <climits>

#include "text/whitespace.h"

namespace s3attn::text {
namespace {

constexpr int kSurePercent = 80;  // of the text, in one language
constexpr size_t kMostBytes = 1 << 16;

UScriptCode icu_script(Script script) {
    switch (script) {
        case Script::kLatin: return USCRIPT_LATIN;
        case Script::kCyrillic: return USCRIPT_CYRILLIC;
        case Script::kGreek: return USCRIPT_GREEK;
        case Script::kArabic: return USCRIPT_ARABIC;
        case Script::kHebrew: return USCRIPT_HEBREW;
        case Script::kArmenian: return USCRIPT_ARMENIAN;
        case Script::kDevanagari: return USCRIPT_DEVANAGARI;
        case Script::kTamil: return USCRIPT_TAMIL;
        case Script::kNone:
        case Script::kUnspaced:
        case Script::kOther: break;
    }
    return USCRIPT_COMMON;
}

bool is_written_in(std::string_view language, Script script) {
    UScriptCode codes[8];
    UErrorCode error = U_ZERO_ERROR;
    const int32_t n = uscript_getCode(std::string(language).c_str(), codes, 8, &error);
    return U_SUCCESS(error) && std::find(codes, codes + n, icu_script(script)) != codes + n;
}

struct Detected {
    std::string code;
    int percent = 0;  // of the text
    bool reliable = false;
};

Detected detect(std::string_view text) {
    const auto length = static_cast<int>(
        text.size() <= kMostBytes ? text.size() : character_boundary(text, kMostBytes));
    const CLD2::CLDHints hints{nullptr, nullptr, CLD2::UNKNOWN_ENCODING, CLD2::UNKNOWN_LANGUAGE};
    // Text that is not UTF-8 leaves the answers as they are.
    CLD2::Language languages[3] = {CLD2::UNKNOWN_LANGUAGE, CLD2::UNKNOWN_LANGUAGE,
                                   CLD2::UNKNOWN_LANGUAGE};
    int percents[3] = {}, text_bytes = 0, valid_bytes = 0;
    double scores[3] = {};
    Detected found;
    CLD2::ExtDetectLanguageSummaryCheckUTF8(text.data(), length, true, &hints, 0, languages,
                                            percents, scores, nullptr, &text_bytes, &found.reliable,
                                            &valid_bytes);
    if (languages[0] == CLD2::UNKNOWN_LANGUAGE) return {};
    const std::string_view code = CLD2::LanguageCode(languages[0]);
    found.code = code.substr(0, code.find('-'));
    found.percent = percents[0];
    return found;
}

}  // namespace

std::string detect_language(std::string_view text) {
    const Detected found = detect(text);
    return found.reliable && found.percent >= kSurePercent ? found.code : std::string();
}

std::string guess_language(std::string_view text) { return detect(text).code; }

std::string_view default_language(Script script) {
    switch (script) {
        case Script::kLatin:
        case Script::kNone: return "en";
        case Script::kCyrillic: return "ru";
        case Script::kGreek: return "el";
        case Script::kArabic: return "ar";
        case Script::kArmenian: return "hy";
        case Script::kDevanagari: return "hi";
        case Script::kTamil: return "ta";
        case Script::kHebrew:
        case Script::kUnspaced:
        case Script::kOther: break;
    }
    return {};
}

std::string_view language_of_word(Script script, std::string_view detected) {
    const std::string_view usual = default_language(script);
    if (detected.empty() || detected == usual || usual.empty() || script == Script::kNone) {
        return usual;
    }
    thread_local std::string known;  // words of one text come together
    thread_local uint32_t scripts = 0, asked = 0;
    if (known != detected) {
        known = detected;
        scripts = asked = 0;
    }
    const uint32_t bit = 1u << static_cast<unsigned>(script);
    if ((asked & bit) == 0) {
        asked |= bit;
        if (is_written_in(detected, script)) scripts |= bit;
    }
    return (scripts & bit) != 0 ? detected : usual;
}

Stemmers::Stemmers() = default;
Stemmers::~Stemmers() = default;
Stemmers::Stemmers(Stemmers&&) noexcept = default;
Stemmers& Stemmers::operator=(Stemmers&&) noexcept = default;

std::string Stemmers::stem(std::string_view form, std::string_view language) {
    if (language.empty() || form.size() > INT_MAX) return without_marks(form);
    auto found = by_language_.find(language);
    if (found == by_language_.end()) {
        const std::string name(language);
        found = by_language_
                    .emplace(name, Owned(sb_stemmer_new(name.c_str(), "UTF_8"), sb_stemmer_delete))
                    .first;
    }
    sb_stemmer* stemmer = found->second.get();
    if (stemmer == nullptr) return without_marks(form);
    // The English rules know no marks; those of other languages tell by them what to cut.
    const std::string plain = language == "en" ? without_marks(form) : std::string(form);
    const sb_symbol* stem = sb_stemmer_stem(
        stemmer, reinterpret_cast<const sb_symbol*>(plain.data()), static_cast<int>(plain.size()));
    if (stem == nullptr) return without_marks(form);
    const auto length = static_cast<size_t>(sb_stemmer_length(stemmer));
    return length == 0 ? without_marks(form)
                       : without_marks({reinterpret_cast<const char*>(stem), length});
}

}  // namespace s3attn::text
