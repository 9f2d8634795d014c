// The pages of a PDF as words with their places, read back from what "pdftotext -bbox-layout" has
// written: one page in memory at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "s3attn/result.h"
#include "text/source_file.h"

namespace s3attn::text {

// In points, y downwards.
struct PdfBox {
    float left = 0, top = 0, right = 0, bottom = 0;
    float height() const { return bottom - top; }
};
struct PdfWord {
    PdfBox box;
    std::string text;  // UTF-8, no white space
};
struct PdfLine {
    PdfBox box;
    std::vector<PdfWord> words;
    bool begins_block = false, begins_flow = false;
};
struct PdfPage {
    float width = 0, height = 0;
    std::vector<PdfLine> lines;  // in reading order
};

class PdfLayout {
  public:
    // `most_bytes`: kUnsupported for a page that takes more memory.
    PdfLayout(std::shared_ptr<SourceFile> layout, uint64_t most_bytes)
        : layout_(std::move(layout)), most_bytes_(most_bytes) {}
    // Fills the next page; false at the end.
    Result<bool> next(PdfPage& page);
    // What the document says about itself, (name, value): "title", "Author", "CreationDate" ... All
    // there once the first page is.
    const std::vector<std::pair<std::string, std::string>>& info() const { return info_; }

  private:
    Result<bool> next_line(std::string& line);
    Status add_word(std::string line, PdfPage& page);
    void add_info(std::string_view tag);

    std::shared_ptr<SourceFile> layout_;
    uint64_t most_bytes_;
    uint64_t offset_ = 0, page_bytes_ = 0;
    std::string buffer_;
    size_t position_ = 0;  // in buffer_
    bool in_block_ = false, in_flow_ = false;
    std::vector<std::pair<std::string, std::string>> info_;
};

}  // namespace s3attn::text
