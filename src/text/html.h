// Text of an HTML or XHTML document.
#pragma once

#include <string>
#include <string_view>

#include "s3attn/result.h"
#include "text/extracted_text.h"

namespace s3attn::text {

struct HtmlOptions {
    bool with_title = true;  // the <title> as a first heading
    bool with_lines = true;  // record source lines
};
// `html` is valid UTF-8 without a byte order mark; `name` is for errors.
Status extract_html(std::string_view html, const std::string& name, const HtmlOptions& options,
                    ExtractedText& out);

// XML allows <title/> and <script/>, which HTML reads as never closed: spells them out.
std::string close_empty_elements(std::string_view xhtml);

// The charset that the document declares about itself ("" when it does not).
std::string declared_charset(std::string_view head);

// `bytes` in the encoding found for them, as UTF-8 without a byte order mark.
Result<std::string> decode_whole(const SourceFile& source, const std::string& declared,
                                 uint64_t max_bytes, DocumentHeader& header);

}  // namespace s3attn::text
