#include "text/sentences.h"

#include <unicode/brkiter.h>
#include <unicode/uchar.h>
#include <unicode/utext.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>

#include "text/languages.h"
#include "text/whitespace.h"

namespace s3attn {
namespace {

using text::detect_language;
using text::space_run;
using text::SpaceRun;
using text::trim;
using text::trim_end;

// A name or a number follows these: a full stop behind them ends no sentence. English, German,
// French, Spanish, Italian, Dutch, Russian; none that is a common last word in another of them.
// Sorted by bytes, lower case.
constexpr auto kAbbreviations = std::to_array<std::string_view>(
    {"abb",  "adm",  "al",   "allg", "approx", "aprox", "arq",  "art",    "av",      "avda",
     "avv",  "bd",   "bijv", "blz",  "boul",   "bspw",  "bzw",  "cap",    "capt",    "cf",
     "chap", "cmdr", "col",  "cpl",  "d.h",    "dgl",   "dhr",  "dipl",   "dott",    "dott.ssa",
     "dr",   "dra",  "drs",  "dña",  "e.g",    "ecc",   "ed",   "eds",    "einschl", "env",
     "eq",   "eqs",  "esp",  "evtl", "excma",  "excmo", "fig",  "figs",   "fr",      "gen",
     "ggf",  "gov",  "gral", "hl",   "hll",    "hon",   "hr",   "i.d.r",  "i.e",     "ibid",
     "ing",  "inkl", "lic",  "lt",   "m.e",    "maj",   "mevr", "mgr",    "mlle",    "mlles",
     "mm",   "mme",  "mmes", "mr",   "mrs",    "ms",    "msgr", "mt",     "nr",      "o.a",
     "o.g",  "op",   "p.ej", "p.ex", "pp",     "pres",  "prof", "ref",    "refs",    "rep",
     "resp", "rev",  "s.o",  "s.u",  "sen",    "sgt",   "sig",  "sig.ra", "sigg",    "sog",
     "sr",   "sra",  "sras", "sres", "srta",   "st",    "sta",  "ste",    "tél",     "u.a",
     "u.u",  "ud",   "uds",  "usw",  "v",      "vd",    "vgl",  "vs",     "z.b",     "z.t",
     "zw",   "zzgl", "éd",   "акад", "англ",   "ген",   "гл",   "гр",     "доц",     "им",
     "кн",   "лат",  "напр", "нем",  "обл",    "оз",    "пер",  "пл",     "полк",    "просп",
     "проф", "рис",  "св",   "см",   "ср",     "т.е",   "т.к",  "т.н",    "табл",    "тов",
     "ул",   "франц"});
static_assert(std::is_sorted(kAbbreviations.begin(), kAbbreviations.end()));
// These only in front of a number ("No. 5", "Jan. 3", "S. 12", "стр. 7").
constexpr auto kBeforeNumbers = std::to_array<std::string_view>(
    {"abs",  "apr",  "art",  "aug", "bl",   "ca",  "ch",   "dec", "dez", "feb", "jan", "jul",
     "juli", "jun",  "juni", "kap", "mar",  "no",  "nos",  "nov", "núm", "oct", "okt", "p",
     "par",  "pág",  "págs", "s",   "sec",  "sep", "sept", "tel", "tél", "vol", "гл",  "д",
     "кв",   "корп", "ок",   "п",   "разд", "род", "с",    "стр", "ум"});
static_assert(std::is_sorted(kBeforeNumbers.begin(), kBeforeNumbers.end()));
// Languages that write "the 3rd" as "3.": a number of up to three digits ends no sentence in them.
constexpr auto kOrdinalStop = std::to_array<std::string_view>(
    {"cs", "da", "de", "et", "fi", "hr", "hu", "is", "lv", "nb", "no", "sk", "sl", "sr", "tr"});
static_assert(std::is_sorted(kOrdinalStop.begin(), kOrdinalStop.end()));

std::string lower_case(std::string_view word) {
    std::string lower;
    size_t at = 0;
    while (at < word.size()) {
        UChar32 c = 0;
        U8_NEXT_OR_FFFD(word.data(), at, word.size(), c);
        std::array<uint8_t, U8_MAX_LENGTH> bytes{};
        size_t n = 0;
        U8_APPEND_UNSAFE(bytes.data(), n, u_tolower(c));
        lower.append(reinterpret_cast<const char*>(bytes.data()), n);
    }
    return lower;
}

// The last word of `sentence`, without the full stop it ends with; empty when it ends otherwise.
std::string_view word_before_stop(std::string_view sentence) {
    if (!sentence.ends_with('.')) return {};
    sentence.remove_suffix(1);
    size_t begin = sentence.size();
    while (begin > 0 && static_cast<unsigned char>(sentence[begin - 1]) > ' ' &&
           std::string_view("([{\"'").find(sentence[begin - 1]) == std::string_view::npos) {
        --begin;
    }
    return sentence.substr(begin);
}

bool is_initial(std::string_view word) {  // "J", "J.R"
    const size_t dot = word.rfind('.');
    if (dot != std::string_view::npos) word.remove_prefix(dot + 1);
    size_t i = 0;
    UChar32 c = 0;
    if (word.empty()) return false;
    U8_NEXT(word.data(), i, word.size(), c);
    return i == word.size() && u_isupper(c) && c != 'I';
}

// What is asked of the whole text, found out when it matters: detection costs more than cutting.
class TextLanguage {
  public:
    explicit TextLanguage(std::string_view text) : text_(text) {}
    const std::string& code() {
        if (!known_) code_ = detect_language(text_);
        known_ = true;
        return code_;
    }

  private:
    std::string_view text_;
    std::string code_;
    bool known_ = false;
};

bool is_ordinal(std::string_view sentence, std::string_view word, TextLanguage& language) {
    if (word.empty() || word.size() > 3 || word.size() + 1 == sentence.size()) return false;
    if (word.find_first_not_of("0123456789") != std::string_view::npos) return false;
    // "S. 12." counts something.
    const std::string_view before = trim_end(sentence.substr(0, sentence.size() - word.size() - 1));
    if (before.ends_with('.')) return false;
    return std::binary_search(kOrdinalStop.begin(), kOrdinalStop.end(), language.code());
}

bool goes_on(std::string_view sentence, std::string_view next, TextLanguage& language) {
    constexpr size_t kLongest = 14;  // bytes
    const std::string_view word = word_before_stop(sentence);
    if (word.empty() || word.size() > kLongest) return false;
    if (is_initial(word)) return true;
    // "z. B.", "d. h.": one letter, and another with a stop.
    if (word.size() == 1 && next.size() > 1 && next[1] == '.') return true;
    if (is_ordinal(sentence, word, language)) return true;
    const std::string lower = lower_case(word);
    const bool digit = !next.empty() && next.front() >= '0' && next.front() <= '9';
    return std::binary_search(kAbbreviations.begin(), kAbbreviations.end(), lower) ||
           (digit && std::binary_search(kBeforeNumbers.begin(), kBeforeNumbers.end(), lower));
}

// "- item", "* item", "3. item", "a) item": a line that begins something new.
bool begins_item(std::string_view line) {
    if (line.empty()) return false;
    if (line.starts_with("\xE2\x80\xA2")) return true;  // a bullet
    if (line.size() > 1 && std::string_view("-*+|#>").find(line[0]) != std::string_view::npos) {
        return line[1] == ' ' || line[0] == '|' || line[0] == '#';
    }
    size_t i = 0;
    while (i < line.size() && i < 3 && line[i] >= '0' && line[i] <= '9') ++i;
    if (i == 0 && ((line[0] | 0x20) >= 'a' && (line[0] | 0x20) <= 'z')) i = 1;
    const bool number = line[0] >= '0' && line[0] <= '9';
    return i > 0 && i + 1 < line.size() && (line[i] == ')' || (number && line[i] == '.')) &&
           line[i + 1] == ' ';
}

// ICU ends a sentence at every line end. Inside wrapped prose a line end is a space; only a blank
// line or the beginning of an item stays a boundary. Same length, so that offsets hold.
std::string unwrap_lines(std::string_view source) {
    std::string unwrapped(source);
    size_t i = 0;
    while (i < source.size()) {
        if (!text::may_be_whitespace(static_cast<unsigned char>(source[i]))) {
            ++i;
            continue;
        }
        const SpaceRun run = space_run(source.substr(i));
        if (run.breaks == 1 && !begins_item(source.substr(i + run.length))) {
            std::fill_n(unwrapped.begin() + static_cast<ptrdiff_t>(i), run.length, ' ');
        }
        i += std::max<size_t>(run.length, 1);
    }
    return unwrapped;
}

icu::BreakIterator* sentence_iterator() {
    // Loading the rules takes milliseconds; an iterator serves one thread.
    thread_local std::unique_ptr<icu::BreakIterator> iterator = [] {
        UErrorCode status = U_ZERO_ERROR;
        std::unique_ptr<icu::BreakIterator> made(
            icu::BreakIterator::createSentenceInstance(icu::Locale::getEnglish(), status));
        if (U_FAILURE(status)) made.reset();
        return made;
    }();
    return iterator.get();
}

std::vector<size_t> icu_boundaries(const std::string& unwrapped) {
    std::vector<size_t> ends;
    icu::BreakIterator* iterator = sentence_iterator();
    UErrorCode status = U_ZERO_ERROR;
    UText* view =
        utext_openUTF8(nullptr, unwrapped.data(), static_cast<int64_t>(unwrapped.size()), &status);
    if (iterator != nullptr && U_SUCCESS(status)) iterator->setText(view, status);
    if (iterator != nullptr && U_SUCCESS(status)) {
        iterator->first();
        for (int32_t end = iterator->next(); end != icu::BreakIterator::DONE;
             end = iterator->next()) {
            ends.push_back(static_cast<size_t>(end));
        }
    }
    utext_close(view);
    // Without ICU's data the text is one sentence, which the callers cut by length.
    if (ends.empty() || ends.back() < unwrapped.size()) ends.push_back(unwrapped.size());
    return ends;
}

}  // namespace

std::vector<std::pair<size_t, size_t>> split_sentences(std::string_view text) {
    // ICU counts in 32 bits; nobody asks for a sentence of more than a gigabyte.
    constexpr size_t kMost = 1u << 30;
    std::vector<std::pair<size_t, size_t>> sentences;
    TextLanguage language(text);
    size_t base = 0;
    while (base < text.size()) {
        const std::string_view part =
            text.substr(base, text::character_boundary(text.substr(base), kMost));
        size_t begin = 0;
        const std::vector<size_t> ends = icu_boundaries(unwrap_lines(part));
        for (size_t i = 0; i < ends.size(); ++i) {
            const std::string_view sentence = trim(part.substr(begin, ends[i] - begin));
            const size_t next_end = i + 1 < ends.size() ? ends[i + 1] : ends[i];
            const bool more = i + 1 < ends.size();
            const std::string_view after = trim(part.substr(ends[i], next_end - ends[i]));
            const bool blank_line =
                more &&
                space_run(part.substr(begin + trim_end(part.substr(begin, ends[i] - begin)).size()))
                        .breaks > 1;
            if (more && !blank_line && goes_on(sentence, after, language)) continue;
            if (!sentence.empty()) {
                const size_t at = base + static_cast<size_t>(sentence.data() - part.data());
                sentences.emplace_back(at, at + sentence.size());
            }
            begin = ends[i];
        }
        base += part.size();
    }
    return sentences;
}

}  // namespace s3attn
