// What the words of a PDF's lines say about how they belong together: spaces, raised figures,
// hyphens at line ends, sentences that go on over a page.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "text/pdf_layout.h"

namespace s3attn::text {

// The words that a document has, except those that may be parts of a hyphenated one. At most a
// million different ones, so that memory does not grow with the document.
class WordsOfDocument {
  public:
    void add(const PdfLine& line);
    bool has(std::string_view word) const;

  private:
    std::unordered_set<uint64_t> hashes_;
    bool after_hyphen_ = false;
};

// The hyphen that `line` ends with behind a letter or a digit ("-", U+2010, a soft hyphen), or "".
std::string hyphen_at_end(std::string_view line);
// Whether it stays between the line (without it) and `next`, the word that the next line begins
// with. It goes where the joined word is one of the document or of the dictionary, or where `next`
// is no digit, capital or word of its own.
bool keeps_hyphen(std::string_view hyphen, std::string_view line, std::string_view next,
                  const WordsOfDocument& words);

// A page's last line, by the other lines of its column.
struct LineShape {
    float height = 0;
    size_t words = 0;
    bool full = false;  // it reaches the right edge of its column, or nearly
};
LineShape shape_of(const PdfLine& line, const std::vector<const PdfLine*>& page);
// Whether the sentence that a page ends with goes on with `next`, the first line of the next page.
bool goes_on_over_page(std::string_view last, const LineShape& shape, const PdfLine& next);

}  // namespace s3attn::text
