// Which file a document came from, whether it is still there, and which document a file already
// is, under whatever name. docs/formats/store.md, "Documents and files".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "s3attn/result.h"
#include "store/sqlite.h"
#include "store/store.h"

namespace s3attn {

// What stands for the file `path` in the catalogue: its canonical path; "uploads/NAME" for a file
// in the store's own folder, which moves with the store; empty for standard input, and where there
// is no such file.
std::string source_of(const std::string& path, const std::string& directory);

// The document, whole or in part, whose file `path` names, whether the file is there or not.
Result<std::optional<DocumentInfo>> find_by_file(Database& db, const std::string& path,
                                                 const std::string& directory);

// The file is not there any more, or something else has its name. Never of standard input and of
// the store's own uploads.
bool is_gone(const DocumentInfo& document);

// Of `documents` those that are gone and lie at or below one of the `inputs` of `index`.
std::vector<DocumentInfo> gone_documents(const std::vector<DocumentInfo>& documents,
                                         const std::vector<std::string>& inputs,
                                         const std::string& directory);

// Of two documents with one path in two stores: not surely two files.
bool may_be_one(const DocumentInfo& document, const std::string& source, const std::string& hash);

// For a document of another store: sets header.path to the path of the document that has its source
// here, or to its source where another file is shown by its path. Returns nothing.
Result<std::string> find_known_source(Database& db, DocumentHeader& header);

// Looks for the document that the file of `header` is already: by its source; by its path where the
// document's file is gone or was not known; by its bytes where another name was given to it, or a
// second one. Sets header.path to that document's path, so that begin_document() finds it. Returns
// the path that it had before, where the file was renamed; otherwise nothing.
Result<std::string> find_known_file(Database& db, DocumentHeader& header);

}  // namespace s3attn
