// Pictures of text, read by tesseract as a child, a page at a time, with limits on time, memory and
// pixels. What it finds has the form that pdftotext gives to the words of a page, so that columns,
// hyphens and repeating headers are seen to in the same way.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "s3attn/ocr.h"
#include "text/formats.h"
#include "text/pdf_text.h"

namespace s3attn::text {

const OcrSettings& ocr_settings();
// On, and installed.
bool has_ocr();
// What there is to do for a picture to be read: "run OCR (ocrmypdf, tesseract) ...".
std::string ocr_advice(const std::string& by_hand);

struct OcrPage {
    std::string layout;  // "<page ...> ... </page>"
    uint64_t words = 0;
    double confidence = 0;  // of its words, 0 to 100
};
// Makes the picture of a page into `picture`; called where the page is not known already.
using MakePicture = std::function<Result<std::shared_ptr<SourceFile>>()>;
// `hash`: of the source. `tiff_page`: of a file with several, 0-based; below 0: there is one.
Result<OcrPage> read_picture(const std::string& hash, uint32_t page, int tiff_page,
                             const MakePicture& make);

// Reads `wanted`, pages of a PDF, and puts what is found into `text`, made anew from `layout`.
Status add_ocr_pages(const OpenRequest& request, const std::vector<uint32_t>& wanted,
                     const std::shared_ptr<SourceFile>& layout, PdfText& text);
// Says what was read, and how surely. `pages` and `of` those that there are.
void note_ocr(const std::vector<std::pair<uint32_t, OcrPage>>& pages, uint32_t of,
              std::vector<ReadNote>& notes);

// PNG, JPEG and TIFF.
OpenResult open_image(OpenRequest request);

}  // namespace s3attn::text
