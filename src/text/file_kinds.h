// What a file found in a folder is to a reader of documents.
#pragma once

#include <string>
#include <string_view>

#include "text/source_file.h"

namespace s3attn::text {

enum class FileRole {
    kDocument,    // a format that is read, or says that it is and turns out damaged
    kUnreadable,  // a document in a known format that is not read: a failure, named
    kArchive,     // may hold documents: said
    kOther,       // images, recordings, programs, data: counted without a word
};
struct FileKind {
    FileRole role = FileRole::kOther;
    std::string label;    // to count by: ".xlsx", "other binary files"
    std::string problem;  // kUnreadable: what it is and what to do
};
FileKind kind_of(const SourceFile& source);

}  // namespace s3attn::text
