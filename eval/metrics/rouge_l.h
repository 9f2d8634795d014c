// ROUGE-L as the Python package `rouge` computes it, which is what LongBench reports: on the level
// of the whole summary, over *sets* of words.
//
// A text is cut into sentences at every "."; words are what white space divides. For each sentence
// of the reference, one longest common subsequence with each sentence of the prediction is made,
// and the words of all of them are united into one set. With m and n the numbers of distinct words
// of reference and prediction and u the size of that set: recall u / m, precision u / n,
// F = 2pr / (p + r + 1e-8). Which of several longest subsequences is taken changes the set, so the
// direction of the trace back is part of the definition (see rouge_l.cpp).
//
// One thing is not copied: the package recurses once per step of the trace back and LongBench turns
// Python's RecursionError into a score of 0, which needs two sentences of about 1,000 words
// together.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace s3attn::eval {

// 0 where either text holds no sentence (it is empty, or only periods).
double rouge_l(std::string_view prediction, std::string_view reference);

// The words of the common subsequence that the trace back finds, in order.
std::vector<std::u32string> common_subsequence(const std::vector<std::u32string>& reference,
                                               const std::vector<std::u32string>& prediction);

}  // namespace s3attn::eval
