// Builds the text extracted from a parsed format, block by block.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/block_source.h"
#include "text/formats.h"
#include "text/unit_reader.h"

namespace s3attn::text {

class ExtractedText {
  public:
    struct Kind {
        bool heading = false;
        bool lines = false;
        bool tight = false;  // a list item, a table row: only a line end in front of it
        bool part = false;   // of a longer table: a unit of its own
        uint8_t level = 0;   // of a heading, 1 the highest; 0: not known
    };
    // Adds a block (trimmed; nothing when empty). `lines`: places in `text` and their lines.
    void add(std::string_view text, const Kind& kind, const LineMap& lines = {});
    // Adds a table: `row_ends` where its rows end in `text`, ascending. The first `header_rows`, or
    // a first row that reads like names of columns, stand above each part of a long one.
    void add_table(std::string_view text, const std::vector<size_t>& row_ends, size_t header_rows,
                   const LineMap& lines = {});
    // Adds what is spoken then; what follows without a pause or the end of a sentence joins it.
    void add_spoken(std::string_view text, uint32_t line, uint64_t begin_ms, uint64_t end_ms);
    // The next block begins a chapter.
    void begin_chapter() { chapter_ = !blocks_.empty(); }
    // Of the document, where its header has none.
    void set_title(std::string_view title) { title_ = trim(title); }
    size_t size() const { return text_.size(); }
    const std::string& text() const { return text_; }
    // The finished document.
    std::unique_ptr<DocumentReader> finish(OpenRequest request, Place place);

  private:
    void add_part(std::string_view text, size_t begin, size_t end, std::string_view header,
                  const LineMap& lines);

    std::string text_;
    std::vector<Block> blocks_;
    LineMap lines_;
    TimeMap times_;
    std::string title_;
    bool chapter_ = false;
};

// Appends `added` to `text` with each run of whitespace made one space.
void append_collapsed(std::string& text, std::string_view added);

}  // namespace s3attn::text
