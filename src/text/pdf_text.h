// The text of a PDF from its laid out pages: lines joined over hyphens and pages, raised and
// lowered figures kept apart, repeating headers and footers once and at the end, unreadable pages
// left out and named.
#pragma once

#include <memory>
#include <unordered_set>
#include <vector>

#include "s3attn/index_report.h"
#include "text/document_reader.h"
#include "text/formats.h"
#include "text/pdf_furniture.h"
#include "text/pdf_layout.h"
#include "text/source_file.h"
#include "text/unit_reader.h"

namespace s3attn::text {

struct PdfText {
    std::shared_ptr<SourceFile> text;  // UTF-8; a form feed in front of each page that begins anew
    LineMap pages;                     // from this place in the text on, it is from that page
    uint64_t bytes = 0;
    uint32_t page_count = 0;
    std::vector<uint32_t> without_text;  // pages, 1-based, that hold none of their own
    std::vector<uint32_t> unreadable;    // pages whose letters are noise
    std::vector<ReadNote> notes;
    std::vector<std::pair<std::string, std::string>> info;  // as PdfLayout::info()
};
// `layout`: what "pdftotext -bbox-layout" wrote.
Result<PdfText> read_pdf_text(std::shared_ptr<SourceFile> layout, const ReaderOptions& options);

// The document of such a text, whose header has everything else by now.
OpenResult read_pages(OpenRequest request, PdfText text);

// "page 3", "pages 2-4 and 7".
std::string page_list(const std::vector<uint32_t>& pages);

// A line with spaces between its words; raised and lowered figures as 10^6 and 1804[12].
std::string text_of_line(const PdfLine& line);

}  // namespace s3attn::text
