// Content words of a text: in the normal form of text/word_cutter.h, without stop words, stemmed.
// What "shares a word with" means in evidence.h, attention.h and answer.h. The word index cuts
// words by the same rules (store/word_tokenizer.h).
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "text/languages.h"
#include "text/word_cutter.h"

namespace s3attn {

// A word of a question or an answer, whose language nobody knows: it is stemmed by the rules of the
// text that it is looked for in.
struct ContentWord {
    std::string form;
    text::Script script = text::Script::kNone;
    std::string stem;  // by the language that the script is usually taken for
};

// Distinct by stem, sorted by it. English stop words count for nothing.
std::vector<ContentWord> content_words(std::string_view text);
// Their stems alone.
std::vector<std::string> content_word_set(std::string_view text);

// The content words of a text, stemmed by the language that it is in.
class TextWords {
  public:
    explicit TextWords(std::string_view text);
    bool has(const ContentWord& word);

  private:
    std::string language_;
    text::Stemmers stemmers_;
    std::set<std::string, std::less<>> stems_;
};

}  // namespace s3attn
