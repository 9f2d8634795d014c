// The word index's own FTS5 tokenizer, "s3words": words in the normal form of text/word_cutter.h,
// stemmed by the language that each unit is in. docs/formats/store.md describes its terms.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "s3attn/result.h"
#include "store/sqlite.h"
#include "text/languages.h"
#include "text/word_cutter.h"

struct Fts5Tokenizer;

namespace s3attn {

// Makes the tokenizer known to a connection, and the ranking (word_ranking.h); without it the word
// index can neither be read nor written.
Status register_word_tokenizer(Database& db);

// Changes whenever the same text may give other terms; an index of another version is made again
// from the stored text.
int64_t word_index_version();

// In a question: `terms` that are readings of one word, as one word. The tokenizer takes a
// question's words cut and stemmed.
std::string query_phrase(const std::vector<std::string>& terms);

// A unit in a language that its letters alone do not say has a term of its own, this and the
// language's code; so the vocabulary tells which languages a store holds.
inline constexpr char kLanguageMark = '\x01';

// Words to terms of the index. Not for several threads at a time.
class TermMaker {
  public:
    static Result<std::unique_ptr<TermMaker>> make(Database& db);
    ~TermMaker();

    // `language` as of text::language_of_word().
    std::string term(const text::Word& word, std::string_view language);
    text::WordCutter& cutter() { return cutter_; }

  private:
    friend class WordTokenizer;
    struct Porter;
    explicit TermMaker(std::unique_ptr<Porter> porter);
    std::unique_ptr<Porter> porter_;
    text::WordCutter cutter_;
    text::Stemmers stemmers_;
};

}  // namespace s3attn
