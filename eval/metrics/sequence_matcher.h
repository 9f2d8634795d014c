// Similarity of two strings as Python's difflib computes it (Ratcliff and Obershelp): find the
// longest common substring, then the same on both sides of it; the ratio is twice the matched
// characters over all characters. Unlike an edit distance it is not symmetric.
#pragma once

#include <string_view>

namespace s3attn::eval {

// difflib.SequenceMatcher(None, a, b).ratio(), its `autojunk` included: characters that make up
// more than a hundredth of b (b of 200 or more) start no match, they only extend one.
double sequence_ratio(std::u32string_view a, std::u32string_view b);

// fuzzywuzzy.fuzz.ratio without python-Levenshtein: the ratio in whole percent, halves to even.
// Equal strings score 100, also two empty ones; one empty string scores 0.
int fuzz_ratio(std::u32string_view a, std::u32string_view b);

}  // namespace s3attn::eval
