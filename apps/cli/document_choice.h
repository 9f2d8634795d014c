// Which document of a store a command means: --id N, --path P, or a word that may be either.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "s3attn/store.h"

namespace s3attn::cli {

struct DocumentChoice {
    std::string word;
    int64_t id = 0;
    std::string path;

    bool empty() const { return word.empty() && id == 0 && path.empty(); }
};

// --id and --path; the word is the command's own.
void add_document_options(CLI::App& command, DocumentChoice& choice);

// A word that is the number of one document and the path of another is an error that names both.
Result<DocumentInfo> choose_document(const Store& store, const DocumentChoice& choice);

}  // namespace s3attn::cli
