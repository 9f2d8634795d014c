#include "store/relabel.h"

#include <map>

#include "base/guarded.h"
#include "store/catalog.h"
#include "store/documents.h"
#include "store/upgrade.h"
#include "store/writer_lock.h"

namespace s3attn {
namespace {

Status set_path(Database& db, DocumentId doc_id, const std::string& path,
                const std::string& source) {
    S3ATTN_TRY(Statement update,
               db.prepare("UPDATE documents SET path = ?2, source = ?3 WHERE doc_id = ?1"));
    update.bind(1, doc_id).bind(2, path);
    if (!source.empty()) update.bind(3, source);
    return update.run();
}

Status relabel(Database& db, const std::vector<DocumentPlace>& places) {
    std::multimap<std::string, const DocumentPlace*> by_hash;
    for (const DocumentPlace& place : places) by_hash.emplace(place.hash, &place);
    S3ATTN_TRY(const auto documents, list_documents(db));
    std::vector<std::pair<DocumentId, const DocumentPlace*>> changes;
    for (const DocumentInfo& document : documents) {
        const auto place = by_hash.find(document.source_hash);
        if (place == by_hash.end()) continue;
        changes.emplace_back(document.doc_id, place->second);
        by_hash.erase(place);
    }
    S3ATTN_CHECK(db.exec("BEGIN IMMEDIATE"));
    // Names may change hands: first nobody has one.
    for (const auto& [doc_id, place] : changes) {
        S3ATTN_CHECK(set_path(db, doc_id, "document " + to_string(doc_id), {}));
    }
    for (const auto& [doc_id, place] : changes) {
        S3ATTN_CHECK(set_path(db, doc_id, place->path, place->source));
    }
    return db.exec("COMMIT");
}

}  // namespace

Status relabel_documents(const std::string& directory, const std::vector<DocumentPlace>& places) {
    return guarded([&]() -> Status {
        S3ATTN_TRY(const auto lock, WriterLock::exclusive(directory));
        S3ATTN_TRY(const auto db, open_catalog(directory, Database::Mode::kReadWrite));
        S3ATTN_CHECK(upgrade_catalog(*db));
        const Status done = relabel(*db, places);
        if (!done.ok() && db->in_transaction()) {
            [[maybe_unused]] const Status ignored = db->exec("ROLLBACK");
        }
        return done;
    });
}

}  // namespace s3attn
