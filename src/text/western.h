// How a text would look in a single-byte encoding: whether its letters beyond ASCII stand where
// letters stand, its quotes where quotes do.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "s3attn/result.h"

namespace s3attn::text {

struct SingleByteLook {
    uint64_t ascii_letters = 0;
    uint64_t high = 0;          // characters beyond ASCII
    uint64_t high_letters = 0;  // of these, letters
    uint64_t odd = 0;           // of `high`: where no text has them
    bool english = false;       // the commonest English words are there
    // Nearly every character stands where text has it.
    bool is_plausible() const { return odd * 50 <= high; }
};
Result<SingleByteLook> look_at(std::string_view sample, const std::string& encoding);

// Whether the name is that of a single-byte encoding for Latin or other alphabets.
bool is_single_byte(std::string_view encoding);

// The better guess at the encoding of `sample`, which is no UTF-8, than that of `statistics` (which
// may be empty). Text that is ASCII but for few letters and punctuation marks of Windows-1252 is
// Windows-1252, whatever the statistics of rarer code pages say.
std::string correct_guess(std::string_view sample, const std::string& statistics);

}  // namespace s3attn::text
