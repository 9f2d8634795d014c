// Citation marks in a stream of text: those that name evidence which exists pass, others vanish.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace s3attn {

// Feed pieces of any size; the concatenated output does not depend on where they were cut. A mark
// is "[" numbers "]" with commas, semicolons, hyphens or spaces between the numbers. Numbers
// outside 1 .. n are taken out of it, the whole mark when none is left, with the space before it.
// Whitespace at both ends of the whole text is dropped too, so the output is what an answer shows.
class MarkFilter {
  public:
    explicit MarkFilter(uint32_t n) : n_(n) {}
    // What may be shown after this piece; possibly empty.
    std::string feed(std::string_view piece);
    // What was held back. An unfinished mark at the end of the text is dropped.
    std::string finish();
    // Numbers of the marks that passed, in order of first appearance.
    const std::vector<uint32_t>& numbers() const { return numbers_; }

  private:
    void emit(std::string_view text);
    void close_mark();

    uint32_t n_;
    std::string held_;      // from the first "[" that may still belong to a mark
    std::string spaces_;    // whitespace not yet shown
    bool removed_ = false;  // a mark was taken out since the last character shown
    bool started_ = false;
    std::string out_;
    std::vector<uint32_t> numbers_;
};

}  // namespace s3attn
