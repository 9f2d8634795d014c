// Paragraphs of plain text, found while it streams by.
#pragma once

#include "text/units.h"

namespace s3attn::text {

struct PlainTextOptions {
    bool lines_are_paragraphs = false;  // CSV, JSON Lines, logs
    bool pages = false;                 // form feeds end paragraphs and pages
    char separator = '\0';              // of a table: rows are paragraphs, and may be quoted
    std::shared_ptr<const std::string> columns = {};  // of the table
};

class PlainTextSource : public PieceSource {
  public:
    PlainTextSource(TextWindow& window, const UnitLimits& limits, PlainTextOptions options,
                    std::string path);
    Result<bool> next(Piece& piece) override;

  private:
    Result<bool> begin_run(Piece& piece);
    Result<bool> take_line(Piece& piece);
    Result<RegionEnd> find_row_end();
    Result<bool> take_block(Piece& piece);

    TextWindow& window_;
    UnitLimits limits_;
    PlainTextOptions options_;
    std::string path_;
    uint64_t position_ = 0;
    bool in_lines_ = false;       // the run's lines are paragraphs
    uint32_t cutting_until_ = 0;  // > 0: cutting a region that this many line ends end
};

// Whether a paragraph of one line reads like a heading (or a "* * *"), which goes with what
// follows.
bool looks_like_heading(std::string_view paragraph);

}  // namespace s3attn::text
