// What a PDF holds beside its pages: comments, attached files, what a form was filled in with.
#pragma once

#include "text/formats.h"
#include "text/pdf_text.h"

namespace s3attn::text {

// Puts it behind the text of the pages, each piece under its page, and notes what cannot be read.
// How many bytes that were.
Result<uint64_t> add_beside_pages(const OpenRequest& request, PdfText& text);

}  // namespace s3attn::text
