// Citation marks ("[1]", "[2, 3]") in an answer's text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace s3attn::server {

// A stretch of text, and the numbers of the marks that stood behind it.
struct MarkedText {
    std::string text;
    std::vector<uint32_t> numbers;
};

// Takes the marks out of a text that comes in pieces, with the spaces before them.
class MarkSplitter {
  public:
    // What is sure by now; a stretch with numbers ends there.
    std::vector<MarkedText> feed(std::string_view piece);
    std::vector<MarkedText> finish();

  private:
    std::string held_;  // what may still become a mark, spaces before it included
};

// Where marks of this number begin, in characters.
std::vector<size_t> places_of_mark(std::string_view text, uint32_t number);
// Characters (code points) of a text in UTF-8.
size_t count_characters(std::string_view text);

}  // namespace s3attn::server
