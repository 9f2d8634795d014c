#include "text/western.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <vector>

#include "text/text_window.h"

namespace s3attn::text {
namespace {

constexpr const char* kWindows = "windows-1252";
// What else Western text was written in.
constexpr const char* kOlder[] = {"macintosh", "IBM850", "IBM437"};

// The Windows page of a standard's alphabet: Windows text is often taken for the standard's, which
// has no quotes and dashes.
std::string windows_page(const std::string& guess) {
    static constexpr std::pair<std::string_view, std::string_view> kPages[] = {
        {"ISO-8859-2", "windows-1250"},  {"ISO-8859-16", "windows-1250"},
        {"ISO-8859-5", "windows-1251"},  {"ISO-8859-7", "windows-1253"},
        {"ISO-8859-9", "windows-1254"},  {"ISO-8859-8", "windows-1255"},
        {"ISO-8859-6", "windows-1256"},  {"ISO-8859-4", "windows-1257"},
        {"ISO-8859-13", "windows-1257"}, {"ISO-8859-11", "windows-874"}};
    for (const auto& [standard, page] : kPages) {
        if (guess == standard) return std::string(page);
    }
    return {};
}

bool is_lower(UChar32 c) { return u_islower(c) && c != 0xAA && c != 0xBA; }
bool is_letter(UChar32 c) { return u_isalpha(c) && c != 0xAA && c != 0xBA && c != 0xB5; }

bool odd_letter(UChar32 before, UChar32 c, UChar32 after) {
    if (u_isdigit(before)) return true;
    if (u_isupper(c)) return is_lower(before);
    return u_isupper(before) && u_isupper(after);
}

// Whether `c`, which is beyond ASCII and no letter, cannot stand between these two.
bool odd_mark(UChar32 before, UChar32 c, UChar32 after) {
    const bool behind = is_letter(before), ahead = is_letter(after), inside = behind && ahead;
    switch (c) {
        case 0x2019:
        case 0x2014:
        case 0xA0:
        case 0xAD: return false;
        case 0x2013: return is_lower(before) && is_lower(after);
        case 0x201A:
        case 0x201E:
        case 0xBF:
        case 0xA1: return behind;  // these open
        case 0xA4:
        case 0x2C6:
        case 0x2DC: return true;  // nobody writes these
        case 0xA8:
        case 0xAF:
        case 0xB8:
        case 0xAC:
        case 0xA6: return behind || ahead;
        case 0xA3:
        case 0xA5:
        case 0x20AC:
        case 0xA2: return inside || is_lower(before);
        default: return inside;
    }
}

bool is_odd(UChar32 before, UChar32 c, UChar32 after) {
    const int8_t type = u_charType(c);
    if (type == U_CONTROL_CHAR || type == U_UNASSIGNED || c == 0xFFFD) return true;
    // Frames of the DOS pages are made of many.
    if (c >= 0x2500 && c < 0x25A0) return is_letter(before) || is_letter(after);
    return is_letter(c) ? odd_letter(before, c, after) : odd_mark(before, c, after);
}

bool is_english(std::string_view text) {
    static constexpr std::string_view kWords[] = {"the",  "and", "of",   "is",   "that",
                                                  "was",  "for", "with", "from", "this",
                                                  "have", "are", "you",  "not"};
    size_t words = 0, english = 0;
    std::string word;
    for (const char c : text) {
        const auto lower = static_cast<char>(c | 0x20);
        if (lower >= 'a' && lower <= 'z') {
            word += lower;
            continue;
        }
        if (word.empty()) continue;
        ++words;
        english += std::find(std::begin(kWords), std::end(kWords), word) != std::end(kWords);
        word.clear();
    }
    return english >= 2 && english * 14 >= words;
}

}  // namespace

Result<SingleByteLook> look_at(std::string_view sample, const std::string& encoding) {
    S3ATTN_TRY(std::unique_ptr<Decoder> decoder, make_converter(encoding));
    std::string decoded;
    decoder->decode(sample, true, decoded, nullptr);
    SingleByteLook look;
    look.english = is_english(decoded);
    UChar32 before = ' ', c = ' ', after = ' ';
    size_t i = 0;
    const auto judge = [&] {
        if (c < 0x80) {
            look.ascii_letters += u_isalpha(c) ? 1 : 0;
            return;
        }
        ++look.high;
        look.high_letters += is_letter(c) ? 1 : 0;
        look.odd += is_odd(before, c, after) ? 1 : 0;
    };
    while (i < decoded.size()) {
        before = c;
        c = after;
        U8_NEXT(decoded.data(), i, decoded.size(), after);
        judge();
    }
    before = c;
    c = after;
    after = ' ';
    judge();
    return look;
}

bool is_single_byte(std::string_view encoding) {
    std::string name(encoding);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    return name.starts_with("WINDOWS-125") || name.starts_with("ISO-8859-") ||
           name.starts_with("IBM") || name.starts_with("MAC") || name.starts_with("X-MAC") ||
           name.starts_with("KOI8") || name.starts_with("TIS-620") || name.starts_with("VISCII") ||
           name.starts_with("GEORGIAN");
}

std::string correct_guess(std::string_view sample, const std::string& statistics) {
    std::string guess = statistics;
    // ICU does not have all that uchardet can name (ISO-8859-16).
    if (!guess.empty() && !make_converter(guess).ok()) guess = windows_page(guess);
    if (!guess.empty() && !is_single_byte(guess)) {
        // Two-byte encodings fit much by chance, but not a text of single letters in ASCII.
        const Result<SingleByteLook> windows = look_at(sample, kWindows);
        const bool single = windows.ok() && windows->is_plausible() && windows->english;
        return single ? kWindows : guess;
    }
    const Result<SingleByteLook> windows = look_at(sample, kWindows);
    if (windows.ok() && windows->is_plausible()) {
        // The pages of DOS and of the Macintosh have their letters where Windows has marks: a text
        // of theirs does not look like this.
        const bool other_page = guess.starts_with("MAC") || guess.starts_with("IBM");
        const bool few = other_page || windows->high_letters * 100 <= windows->ascii_letters;
        const bool handful = windows->high <= 8 && windows->high * 5 <= windows->ascii_letters;
        if (few || handful || windows->english || guess.empty()) return kWindows;
        return guess;
    }
    // Quotes inside words, capitals behind small letters: it is something else.
    std::vector<std::string> names(std::begin(kOlder), std::end(kOlder));
    const std::string page = windows_page(guess);
    if (!page.empty()) names.insert(names.begin(), page);
    if (!guess.empty()) names.insert(names.begin(), guess);
    std::string best = guess;
    uint64_t least = ~uint64_t{0};
    for (const std::string& name : names) {
        const Result<SingleByteLook> look = look_at(sample, name);
        if (!look.ok() || !look->is_plausible() || look->odd >= least) continue;
        best = name;
        least = look->odd;
        if (name == guess || name == page) break;  // the guess knows its language
    }
    return best;
}

}  // namespace s3attn::text
