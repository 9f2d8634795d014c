// What readers of different sizes need: the prompt's layout and how long they may talk. The table
// is measured (docs/answers.md).
#pragma once

#include <cstdint>
#include <string_view>

#include "s3attn/reader.h"

namespace s3attn {

struct ReaderClass {
    std::string_view name;
    uint64_t below = 0;     // parameters; 0: no upper end
    bool best_last = true;  // the best span next to the question; false: document order
    std::string_view instruction;
    uint32_t max_answer_tokens = 256;  // where the caller names none
    // Of an answer to a question that a fact answers, and of any other; 0: no limit. Readers that
    // have one also end where a sentence says nothing that was not said.
    uint32_t fact_sentences = 0, most_sentences = 0;
    double withhold_below = 0;  // AskOptions::withhold_below where the caller names none
};

// A reader of unknown size belongs to the largest class.
const ReaderClass& class_of(const ReaderInfo& reader);

// Asks who, when, where, how many ...: a sentence answers it. English words decide.
bool asks_for_fact(std::string_view question);

}  // namespace s3attn
