// XHTML by the rules of XML (expat). Nothing outside the file is read, and entities that multiply
// its length are refused.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/html.h"

namespace s3attn::text {

struct XhtmlOutcome {
    bool well_formed = true;
    std::string problem, place;  // when it is not: "mismatched tag", "line 12"
    uint64_t unresolved = 0;     // references to entities that the file does not hold
    std::string first_unresolved;
};
// `xhtml` is valid UTF-8 without a byte order mark. Not well-formed: nothing was added to `out`.
XhtmlOutcome extract_xhtml(std::string_view xhtml, const HtmlOptions& options, ExtractedText& out);

// `&nbsp;` and the other names of HTML that XML knows only from a DTD, as characters.
std::string resolve_html_entities(std::string_view xhtml);

enum class Markup {
    kHtml,
    kPerhapsXhtml,  // XML where it is well-formed
    kXhtml,         // XML; where it is not well-formed, HTML with a note
};
Markup markup_of(std::string_view head, bool named_xhtml);

// Reads markup of any of these kinds.
Status extract_markup(std::string_view source, Markup markup, const std::string& name,
                      const HtmlOptions& options, ExtractedText& out, std::vector<ReadNote>& notes);

}  // namespace s3attn::text
