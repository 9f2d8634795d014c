// Page headers and footers: lines at the edge of a page that stand at the same height of
// neighbouring pages too, alike but for the page's number.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "text/pdf_layout.h"

namespace s3attn::text {

// What repeats, by page (0-based) and index of the line.
class PdfFurniture {
  public:
    enum class Line { kBody, kFirst, kRepeated };
    // Pages in order; then finish().
    void add(const PdfPage& page);
    void finish();
    Line kind(size_t page, size_t line) const;

  private:
    struct Edge {
        uint32_t line = 0;
        size_t side = 0, row = 0;  // top or bottom; counted from outside
        float top = 0;
        bool outer = false;     // within the outer zone
        bool numbered = false;  // alike but for the page's number
        std::string text;
        uint32_t before = 0, after = 0;  // neighbouring pages that have it
    };
    struct Page {
        size_t number = 0;
        std::vector<Edge> edges;
    };
    static void add_edge(const PdfPage& page, const std::vector<uint32_t>& order, size_t side,
                         std::vector<Edge>& edges);
    void compare(Page& earlier, Page& later) const;
    void settle(const Page& page);

    std::deque<Page> window_;  // the last pages, not settled yet
    size_t pages_ = 0;
    std::vector<std::vector<std::pair<uint32_t, Line>>> found_;  // by page
};

// Whether two lines of pages `a_page` and `b_page` are equal but for numbers that run with the
// pages.
bool same_but_page_number(std::string_view a, size_t a_page, std::string_view b, size_t b_page);

// The words of a line, a space between each two.
std::string words_of(const PdfLine& line);

}  // namespace s3attn::text
