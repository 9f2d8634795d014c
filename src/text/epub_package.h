// What an EPUB says about its own chapters.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "text/document_reader.h"
#include "text/zip_archive.h"

namespace s3attn::text {

struct Chapter {
    std::string entry;       // as the archive spells it; as the book does where it is missing
    std::string media_type;  // "" where the book does not say
    bool present = true;
};

// The chapters in reading order, then those that the order leaves out. Where the package document
// is missing or damaged, the chapters in the order of their names, with a note. What the book says
// about itself goes into `header`.
Result<std::vector<Chapter>> find_chapters(ZipArchive& archive, DocumentHeader& header);

// Entries that the book's own list calls encrypted.
std::set<std::string> encrypted_entries(ZipArchive& archive, const std::string& path,
                                        std::vector<ReadNote>& notes);

}  // namespace s3attn::text
