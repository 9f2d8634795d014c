#include "text/pdf_noise.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <bit>

namespace s3attn::text {
namespace {

constexpr size_t kEnoughLetters = 200;  // to judge by their frequencies
constexpr int kEnoughKinds = 12;        // letters; sequences of bases and hex digits have fewer

bool is_unreadable(UChar32 c) {
    if (c < 0 || c == 0xFFFD) return true;
    const int8_t type = u_charType(c);
    return type == U_CONTROL_CHAR || type == U_PRIVATE_USE_CHAR || type == U_UNASSIGNED;
}

// Bullets of the symbol fonts.
bool is_symbol(UChar32 c) { return c >= 0xF000 && c <= 0xF0FF; }

}  // namespace

void LetterProfile::add(std::string_view word) {
    size_t i = 0;
    while (i < word.size()) {
        const bool first = i == 0;
        UChar32 c = 0;
        U8_NEXT(word.data(), i, word.size(), c);
        ++characters;
        const bool bullet = first && i == word.size() && is_symbol(c);
        if (is_unreadable(c) && !bullet) ++unreadable;
        const auto lower = static_cast<char>(c < 0x80 ? c | 0x20 : 0);
        if (lower >= 'a' && lower <= 'z' && u_isalpha(c)) {
            ++ascii_letters;
            seen |= 1u << (lower - 'a');
            if (std::string_view("aeiouy").find(lower) != std::string_view::npos) ++vowels;
        } else if (u_isdigit(c)) {
            ++digits;
        } else if (u_isalpha(c)) {
            ++other_letters;
        }
    }
}

bool LetterProfile::is_noise() const {
    if (unreadable > 2 && unreadable * 10 >= characters * 3) return true;
    // Every language in Latin letters that this is asked about has a vowel for every four letters
    // at least; tables of codes have digits, other scripts other letters.
    return ascii_letters >= kEnoughLetters && std::popcount(seen) >= kEnoughKinds &&
           (digits + other_letters) * 10 < ascii_letters && vowels * 100 < ascii_letters * 23;
}

}  // namespace s3attn::text
