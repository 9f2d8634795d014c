// What a PDF's objects hold beside the text of its pages, as qpdf lists them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "s3attn/result.h"
#include "text/source_file.h"

namespace s3attn::text {

struct PdfObjects {
    struct Comment {
        uint32_t page = 0;  // 1-based
        std::string author, text;
    };
    struct Field {
        uint32_t page = 0;
        std::string name, value;
        bool is_text = false;  // typed or chosen, not a box that is checked
    };
    std::vector<Comment> comments;  // in the order of their pages
    std::vector<Field> fields;      // those with a value
    bool files = false;             // there may be attached files
    bool only_in_acrobat = false;   // the pages are made by a program when the file is opened
    bool cut = false;               // there was more than `most_bytes` of text
};
// `json`: what "qpdf --json=2" wrote with the keys pages, acroform and qpdf. It may be long; one
// object of it is in memory at a time, besides at most about `most_bytes` of what is found.
Result<PdfObjects> read_pdf_objects(const SourceFile& json, uint64_t most_bytes);

}  // namespace s3attn::text
