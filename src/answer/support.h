// What of an answer its evidence supports: sentence by sentence, and every number and name.
#pragma once

#include <string>
#include <vector>

#include "s3attn/types.h"

namespace s3attn {

// A sentence is supported where spans hold most of its content words, words of the question
// counting a quarter, and none of its numbers and names is unfounded. `numbers`: the spans' shown
// ones.
std::vector<AnswerSentence> support_sentences(const std::string& answer,
                                              const std::string& question,
                                              const std::vector<Span>& spans,
                                              const std::vector<uint32_t>& numbers);

// Numbers of the answer that neither evidence nor question has ("20,000", "20 000" and "twenty
// thousand" are one number), and words with a capital inside a sentence, or names at its
// begin, that neither has. Citation
// marks are no numbers.
std::vector<UnfoundedWord> unfounded_words(const std::string& answer, const std::string& question,
                                           const std::vector<Span>& spans);

}  // namespace s3attn
