// Text of HTML and XHTML documents.
#pragma once

#include <string>
#include <string_view>

#include "s3attn/result.h"
#include "text/extracted_text.h"
#include "text/markup_text.h"

namespace s3attn::text {

// Reads `html` by the rules of HTML, which take anything. It is valid UTF-8 without a byte order
// mark; `name` is for errors.
Status extract_html(std::string_view html, const std::string& name, const HtmlOptions& options,
                    ExtractedText& out);

// XHTML that is not well-formed, written so that HTML rules read it as its author meant it: empty
// elements are closed, CDATA sections become text, declarations go.
std::string xhtml_as_html(std::string_view xhtml);

// The charset that the document declares about itself ("" when it does not).
std::string declared_charset(std::string_view head);

// `bytes` in the encoding found for them, as UTF-8 without a byte order mark.
Result<std::string> decode_whole(const SourceFile& source, const std::string& declared,
                                 uint64_t max_bytes, DocumentHeader& header);

}  // namespace s3attn::text
