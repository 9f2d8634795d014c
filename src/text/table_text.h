// Tables as text: whole rows, a line each, cells apart by tabs. A table that is longer than a unit
// is cut between rows, and the names of its columns stand above each part.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/extracted_text.h"

namespace s3attn::text {

// Rows of cells, as office formats have them.
class TableText {
  public:
    // `line`: of the row in its source; 0: there is none.
    void add_row(const std::vector<std::string>& cells, uint32_t line = 0);
    void mark_header() { header_rows_ = row_ends_.size(); }  // the rows so far name the columns
    bool empty() const { return row_ends_.empty(); }
    size_t size() const { return text_.size(); }
    // Adds what was collected, and begins anew.
    void finish(ExtractedText& out);

  private:
    std::string text_;
    std::vector<size_t> row_ends_;
    LineMap lines_;
    size_t header_rows_ = 0;
};

// Whether the first of these rows reads like names of columns: words, no figures but years in a
// row.
bool reads_like_header(const std::vector<std::string_view>& cells);
// Cells between tabs.
std::vector<std::string_view> cells_of(std::string_view row);
// "City | Year | Paid", at most some hundred bytes.
std::string columns_of(const std::vector<std::string_view>& cells);

}  // namespace s3attn::text
