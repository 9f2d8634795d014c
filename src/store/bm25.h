// Word search: BM25 of FTS5 over the units' text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "s3attn/result.h"
#include "store/sqlite.h"
#include "store/store.h"
#include "store/word_ranking.h"

namespace s3attn {

struct QuestionWord {
    std::string form;                // normal form, text/word_cutter.h
    uint32_t count = 1;              // how often it was said
    std::vector<std::string> terms;  // what stands for it in the index: a stem for each language of
                                     // the store that it may be in
};
// The question's distinct words in the order in which they are said first. Any bytes are fine. Here
// and below, `scope` null: all units.
Result<std::vector<QuestionWord>> question_words(Database& db, std::string_view question,
                                                 const WordScope* scope);

Result<std::vector<StoreReader::Match>> search_words(Database& db, std::string_view question,
                                                     uint32_t limit, const WordScope* scope);

// In how many units each distinct word of the question occurs.
Result<std::vector<WordFrequency>> word_frequencies(Database& db, std::string_view question,
                                                    const WordScope* scope);

}  // namespace s3attn
