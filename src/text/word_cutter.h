// Words of a text in the one form in which words are indexed, asked and compared: NFKC, case
// folded, without format characters (soft hyphens, zero-width spaces), cut by ICU's dictionaries
// where a script has no spaces, and joined over hyphens at line ends. The text itself stays as it
// is: every word says which bytes of it it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace s3attn::text {

enum class Script : uint8_t {
    kNone,  // figures
    kLatin,
    kCyrillic,
    kGreek,
    kArabic,
    kHebrew,
    kArmenian,
    kDevanagari,
    kTamil,
    kUnspaced,  // Chinese, Japanese, Thai, Khmer ...
    kOther,
};

struct Word {
    size_t begin = 0, end = 0;  // bytes of the text
    std::string form;           // not empty; with its marks, which a stemmer wants to see
    Script script = Script::kNone;
    // Another reading of bytes that were given already: the halves of a word broken by a hyphen at
    // a line end, as one.
    bool again = false;
};

// Not for several threads at a time. Any bytes will do; what is not UTF-8 separates words.
class WordCutter {
  public:
    WordCutter();
    ~WordCutter();
    WordCutter(WordCutter&&) noexcept;
    WordCutter& operator=(WordCutter&&) noexcept;

    // Calls `on_word` in text order until it returns false.
    void cut(std::string_view text, const std::function<bool(const Word&)>& on_word);

  private:
    class Parts;
    std::unique_ptr<Parts> parts_;
};

// The form without marks: "café" -> "cafe", "Й" -> "и", Arabic and Hebrew without points. Vowel
// signs of scripts whose words consist of them (Devanagari, Thai ...) stay.
std::string without_marks(std::string_view form);

// Of the library whose tables cut the words: another one may cut otherwise.
uint32_t word_tables_version();

}  // namespace s3attn::text
