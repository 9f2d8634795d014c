// Statements on documents that keep rows, word index and replacements consistent. All run inside
// the caller's transaction.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "s3attn/result.h"
#include "store/sqlite.h"
#include "text/document_reader.h"

namespace s3attn {

struct DocumentRow {
    DocumentInfo info;
    std::optional<DocumentId> replaces;
    bool visible() const { return info.complete || !replaces.has_value(); }
};

// What readers see: complete documents, and those whose first scan was interrupted.
Result<std::vector<DocumentInfo>> list_documents(Database& db);
// Of documents in ascending order of their ids.
Status load_properties(Database& db, std::vector<DocumentInfo>& documents);
// kNotFound when there is none; `directory` for the message.
Result<DocumentInfo> load_document(Database& db, const std::string& directory, DocumentId doc_id);
Error no_document(const std::string& directory, DocumentId doc_id);

Result<std::optional<DocumentRow>> find_document(Database& db, DocumentId doc_id);
Result<std::optional<DocumentRow>> find_document(Database& db, const std::string& path,
                                                 bool complete);

// `doc_id` none: the next one.
Result<DocumentId> insert_document(Database& db, const DocumentHeader& header,
                                   std::optional<DocumentId> replaces,
                                   std::optional<DocumentId> doc_id = std::nullopt);
// Of all documents that were ever there, or reserved. Reserved ids are not given out by themselves.
Result<int64_t> last_document_id(Database& db);
Status reserve_document_ids(Database& db, int64_t last);
Status update_counts(Database& db, DocumentId doc_id, uint64_t tokens, uint64_t units);
// Completes a document; drops the one it replaces.
Status complete_document(Database& db, DocumentId doc_id);
// StoreWriter::describe().
Result<bool> describe_document(Database& db, DocumentId doc_id, const DocumentHeader& header,
                               const std::function<Result<bool>(Unit&)>& next);
// Deletes rows and words; a replacement that waits for this document's end goes too.
Status drop_document(Database& db, const DocumentRow& document);

}  // namespace s3attn
