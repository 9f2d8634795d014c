// One page of a PDF for the eye: its image, and where on it the words of a passage stand. poppler's
// programs do the work in processes of their own, with limits on time, memory and output.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "s3attn/result.h"
#include "text/pdf_layout.h"

namespace s3attn::text {

// `file`: the PDF, open for reading; it stays open. `name`: for messages. kNotFound: there is no
// such page. kUnsupported: poppler is not installed, or a limit was reached.
struct PdfPageRequest {
    int file = -1;
    std::string name;
    uint32_t page = 1;  // 1-based
    uint32_t seconds = 20;
};

struct PdfPageView {
    uint32_t pages = 0;           // of the document
    float width = 0, height = 0;  // of the page as it is shown, in points
    // Where the passage stands, one box for the words that follow each other on a line; none where
    // it is not on this page.
    std::vector<PdfBox> marked;
};

Result<PdfPageView> view_pdf_page(const PdfPageRequest& request, std::string_view passage);
// A PNG, `width` pixels wide.
Result<std::string> draw_pdf_page(const PdfPageRequest& request, uint32_t width);

// view_pdf_page's boxes. The passage may begin before the page and end behind it; letters are
// compared without regard to case, hyphens, spaces and ligatures.
std::vector<PdfBox> boxes_of_passage(const PdfPage& page, std::string_view passage);

}  // namespace s3attn::text
