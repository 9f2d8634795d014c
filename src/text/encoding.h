// Which encoding a text file is in, or why it is no text.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "s3attn/index_report.h"
#include "s3attn/result.h"
#include "text/source_file.h"
#include "text/text_window.h"

namespace s3attn::text {

struct TextEncoding {
    std::string name = "UTF-8";  // for people: "UTF-8", "UTF-16LE", "windows-1252"
    std::string converter;       // ICU's name; empty: UTF-8, no conversion
    uint64_t bom_bytes = 0;
    uint64_t source_bytes = 0;  // of the whole file
    std::vector<ReadNote> notes;
};

// Reads the whole file once, in bounded memory. kUnsupported: binary data, or no encoding fits.
// `declared` (an HTML charset) wins over detection where it fits the bytes.
Result<TextEncoding> find_encoding(const SourceFile& source, const std::string& declared = {});

// A quick look at a file's beginning: false when it is surely binary data.
bool may_be_text(std::string_view head);

// The decoder for it.
Result<std::unique_ptr<Decoder>> make_decoder(const TextEncoding& encoding);

}  // namespace s3attn::text
