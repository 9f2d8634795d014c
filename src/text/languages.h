// Which language a text is in, and the stems of its words.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "text/word_cutter.h"

struct sb_stemmer;

namespace s3attn::text {

// ISO 639 code ("de", "zh"); empty where the text is too short or mixed to tell. The same bytes
// always give the same answer.
std::string detect_language(std::string_view text);

// Likewise, the likeliest language of a short text, a question say; empty only without a guess.
std::string guess_language(std::string_view text);

// What a word of this script is taken for where the text does not say: English for Latin letters,
// Russian for Cyrillic ones; empty where there is no stemmer for any language of the script.
std::string_view default_language(Script script);

// The language by whose rules a word is stemmed in a text of language `detected`: that one when it
// is written in this script, else the script's default.
std::string_view language_of_word(Script script, std::string_view detected);

// Snowball's stemmers, made when they are needed. Not for several threads at a time.
class Stemmers {
  public:
    Stemmers();
    ~Stemmers();
    Stemmers(Stemmers&&) noexcept;
    Stemmers& operator=(Stemmers&&) noexcept;

    // The stem, without marks. Of a language without a stemmer: the word without marks.
    std::string stem(std::string_view form, std::string_view language);

  private:
    using Owned = std::unique_ptr<sb_stemmer, void (*)(sb_stemmer*)>;
    std::map<std::string, Owned, std::less<>> by_language_;
};

}  // namespace s3attn::text
