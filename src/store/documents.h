// Statements on documents that keep rows, word index and replacements consistent. All run inside
// the caller's transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "s3attn/result.h"
#include "store/sqlite.h"
#include "text/document_reader.h"

namespace s3attn {

struct DocumentRow {
    DocumentInfo info;
    std::optional<int64_t> replaces;
    bool visible() const { return info.complete || !replaces.has_value(); }
};

Result<std::optional<DocumentRow>> find_document(Database& db, int64_t doc_id);
Result<std::optional<DocumentRow>> find_document(Database& db, const std::string& path,
                                                 bool complete);
// By path, else by decimal id; the visible document, an interrupted replacement only by its id.
Result<std::optional<DocumentRow>> find_document(Database& db, const std::string& path_or_id);

// `doc_id` none: the next one.
Result<int64_t> insert_document(Database& db, const DocumentHeader& header,
                                std::optional<int64_t> replaces,
                                std::optional<int64_t> doc_id = std::nullopt);
// Of all documents that were ever there, or reserved. Reserved ids are not given out by themselves.
Result<int64_t> last_document_id(Database& db);
Status reserve_document_ids(Database& db, int64_t last);
Status update_counts(Database& db, int64_t doc_id, uint64_t tokens, uint64_t units);
// Completes a document; drops the one it replaces.
Status complete_document(Database& db, int64_t doc_id);
// Deletes rows and words; a replacement that waits for this document's end goes too.
Status drop_document(Database& db, const DocumentRow& document);

}  // namespace s3attn
