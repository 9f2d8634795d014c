// Whether what a PDF says its letters are can be read. A wrong ToUnicode map gives private use,
// control and replacement characters, or letters that no language puts together.
#pragma once

#include <cstddef>
#include <string_view>

#include "text/pdf_layout.h"

namespace s3attn::text {

struct LetterProfile {
    size_t characters = 0;
    size_t unreadable = 0;  // private use, control, replacement, unassigned
    size_t ascii_letters = 0, vowels = 0, digits = 0, other_letters = 0;
    unsigned seen = 0;  // which of the 26 letters occur, as bits

    void add(std::string_view word);
    // The whole is not worth reading.
    bool is_noise() const;
    // Enough of it is unreadable to say so.
    bool is_damaged() const { return unreadable > 1 && unreadable * 100 >= characters; }
};

}  // namespace s3attn::text
