// What a file is, by its first bytes and its name.
#pragma once

#include <string>
#include <string_view>

#include "text/source_file.h"

namespace s3attn::text {

enum class Format {
    kText,
    kMarkdown,
    kHtml,
    kPdf,
    kDocx,
    kEpub,
    kMail,
    kPptx,
    kXlsx,
    kOdt,
    kOds,
    kOdp,
    kDoc,
    kRtf,
    kNotebook,
    kCsv,
    kSubtitles,
    kRst,
    kOrg,
    kLatex,
    kCode,
    kImage,  // PNG, JPEG, TIFF: through OCR
    kUnsupported
};

struct Detection {
    Format format = Format::kText;
    std::string refusal;  // kUnsupported: "a PNG image; ...", what it is and what to do
};

// Text is only assumed: whether a kText file really is text is for profile_text to say.
Result<Detection> detect_format(const SourceFile& source);

// Whether an extension says "this is text": what stands in it does not overrule it then, for a text
// may speak of any format.
bool is_text_name(std::string_view extension);

// The format of text that an extension names; kText where it names none.
Format text_format(std::string_view extension);

// The lower-case extension of a path without its dot ("" when there is none).
std::string extension_of(std::string_view path);

}  // namespace s3attn::text
