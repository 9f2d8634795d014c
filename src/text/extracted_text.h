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
    };
    // Adds a block (trimmed; nothing when empty). `lines`: places in `text` and their lines.
    void add(std::string_view text, const Kind& kind, const LineMap& lines = {});
    // The next block begins a chapter.
    void begin_chapter() { chapter_ = !blocks_.empty(); }
    size_t size() const { return text_.size(); }
    const std::string& text() const { return text_; }
    // The finished document.
    std::unique_ptr<DocumentReader> finish(OpenRequest request, Place place);

  private:
    std::string text_;
    std::vector<Block> blocks_;
    LineMap lines_;
    bool chapter_ = false;
};

// Appends `added` to `text` with each run of whitespace made one space.
void append_collapsed(std::string& text, std::string_view added);

}  // namespace s3attn::text
