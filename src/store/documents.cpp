#include "store/documents.h"

#include "s3attn/reason.h"
#include "store/catalog.h"

namespace s3attn {
namespace {

std::string select_documents(const char* where) {
    return std::string("SELECT ") + kDocumentColumns + ", replaces FROM documents WHERE " + where;
}

Result<std::optional<DocumentRow>> only_row(Statement& rows) {
    S3ATTN_TRY(const bool found, rows.step());
    if (!found) return std::optional<DocumentRow>();
    DocumentRow row;
    row.info = document_of(rows);
    if (!rows.is_null(kDocumentColumnCount)) {
        row.replaces = DocumentId(rows.integer(kDocumentColumnCount));
    }
    return std::optional<DocumentRow>(std::move(row));
}

Status insert_properties(Database& db, DocumentId doc_id, const DocumentHeader& header) {
    S3ATTN_TRY(Statement insert, db.prepare("INSERT INTO properties VALUES (?1, ?2, ?3)"));
    for (const auto& [key, value] : header.properties) {
        S3ATTN_CHECK(insert.bind(1, doc_id).bind(2, key).bind(3, value).run());
    }
    return {};
}

Status run_for(Database& db, const std::string& sql, DocumentId doc_id) {
    S3ATTN_TRY(Statement statement, db.prepare(sql));
    return statement.bind(1, doc_id).run();
}

Status add_words(Database& db, DocumentId doc_id) {
    return run_for(db,
                   std::string("INSERT INTO units_fts(rowid, text, heading) "
                               "SELECT unit_id, text, ") +
                       kHeadingWords + " FROM units WHERE doc_id = ?1 ORDER BY unit_id",
                   doc_id);
}

Status forget_words(Database& db, DocumentId doc_id) {
    return run_for(db,
                   std::string("INSERT INTO units_fts(units_fts, rowid, text, heading) "
                               "SELECT 'delete', unit_id, text, ") +
                       kHeadingWords + " FROM units WHERE doc_id = ?1",
                   doc_id);
}

}  // namespace

Result<std::vector<DocumentInfo>> list_documents(Database& db) {
    S3ATTN_TRY(Statement rows,
               db.prepare(std::string("SELECT ") + kDocumentColumns + " FROM documents d WHERE " +
                          kVisible + " ORDER BY doc_id"));
    std::vector<DocumentInfo> documents;
    for (;;) {
        S3ATTN_TRY(const bool row, rows.step());
        if (!row) break;
        documents.push_back(document_of(rows));
    }
    S3ATTN_CHECK(load_properties(db, documents));
    return documents;
}

Status load_properties(Database& db, std::vector<DocumentInfo>& documents) {
    S3ATTN_TRY(Statement rows, db.prepare("SELECT doc_id, key, value FROM properties "
                                          "WHERE doc_id BETWEEN ?1 AND ?2 ORDER BY doc_id, key"));
    if (documents.empty()) return {};
    rows.bind(1, documents.front().doc_id).bind(2, documents.back().doc_id);
    auto document = documents.begin();
    for (;;) {
        S3ATTN_TRY(const bool row, rows.step());
        if (!row) return {};
        const DocumentId doc_id(rows.integer(0));
        while (document != documents.end() && document->doc_id < doc_id) ++document;
        if (document == documents.end()) return {};
        if (document->doc_id == doc_id) document->properties[rows.text(1)] = rows.text(2);
    }
}

Error no_document(const std::string& directory, DocumentId doc_id) {
    return make_error(ErrorCode::kNotFound, reason::kNoDocument, to_string(doc_id),
                      "the store '" + directory + "' has no document " + to_string(doc_id));
}

Result<DocumentInfo> load_document(Database& db, const std::string& directory, DocumentId doc_id) {
    S3ATTN_TRY(const auto row, find_document(db, doc_id));
    if (!row.has_value() || !row->visible()) return no_document(directory, doc_id);
    std::vector<DocumentInfo> one{row->info};
    S3ATTN_CHECK(load_properties(db, one));
    return one.front();
}

Result<std::optional<DocumentRow>> find_document(Database& db, DocumentId doc_id) {
    S3ATTN_TRY(Statement rows, db.prepare(select_documents("doc_id = ?1")));
    rows.bind(1, doc_id);
    return only_row(rows);
}

Result<std::optional<DocumentRow>> find_document(Database& db, const std::string& path,
                                                 bool complete) {
    S3ATTN_TRY(Statement rows, db.prepare(select_documents("path = ?1 AND complete = ?2")));
    rows.bind(1, path).bind(2, static_cast<int64_t>(complete));
    return only_row(rows);
}

Result<int64_t> last_document_id(Database& db) {
    return db.integer("SELECT seq FROM sqlite_sequence WHERE name = 'documents'");
}

Status reserve_document_ids(Database& db, int64_t last) {
    S3ATTN_TRY(const int64_t there,
               db.integer("SELECT count(*) FROM sqlite_sequence WHERE name = 'documents'"));
    S3ATTN_TRY(Statement save,
               db.prepare(there > 0 ? "UPDATE sqlite_sequence SET seq = max(seq, ?1) "
                                      "WHERE name = 'documents'"
                                    : "INSERT INTO sqlite_sequence VALUES ('documents', ?1)"));
    return save.bind(1, last).run();
}

Result<DocumentId> insert_document(Database& db, const DocumentHeader& header,
                                   std::optional<DocumentId> replaces,
                                   std::optional<DocumentId> doc_id) {
    S3ATTN_TRY(Statement insert,
               db.prepare("INSERT INTO documents(path, format, encoding, offsets, source_bytes, "
                          "source_hash, tokens, units, complete, replaces, indexed_at, doc_id, "
                          "source, title, date, file_date, described) VALUES (?1, ?2, ?3, ?4, ?5, "
                          "?6, 0, 0, 0, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"));
    insert.bind(1, header.path).bind(2, header.format).bind(3, header.encoding);
    insert.bind(4, static_cast<int64_t>(header.offsets == OffsetSpace::kExtracted));
    insert.bind(5, static_cast<int64_t>(header.source_bytes)).bind(6, header.source_hash);
    if (replaces.has_value()) {
        insert.bind(7, *replaces);
    } else {
        insert.bind_null(7);
    }
    if (doc_id.has_value()) {
        insert.bind(9, *doc_id);
    } else {
        insert.bind_null(9);
    }
    if (header.source.empty()) {
        insert.bind_null(10);
    } else {
        insert.bind(10, header.source);
    }
    insert.bind(11, header.title).bind(12, header.date).bind(13, header.file_date);
    insert.bind(14, static_cast<int64_t>(header.described));
    S3ATTN_CHECK(insert.bind(8, utc_now()).run());
    const DocumentId made(db.last_insert_id());
    S3ATTN_CHECK(insert_properties(db, made, header));
    return made;
}

Status update_counts(Database& db, DocumentId doc_id, uint64_t tokens, uint64_t units) {
    S3ATTN_TRY(Statement update,
               db.prepare("UPDATE documents SET tokens = ?2, units = ?3 WHERE doc_id = ?1"));
    update.bind(1, doc_id).bind(2, static_cast<int64_t>(tokens));
    return update.bind(3, static_cast<int64_t>(units)).run();
}

Status complete_document(Database& db, DocumentId doc_id) {
    S3ATTN_TRY(const auto row, find_document(db, doc_id));
    if (!row.has_value()) {
        return make_error(ErrorCode::kInternal, "the document to complete is gone");
    }
    if (row->replaces.has_value()) {
        S3ATTN_TRY(auto old, find_document(db, *row->replaces));
        // Set before the old one goes, which would take its waiting replacement along.
        S3ATTN_CHECK(run_for(db, "UPDATE documents SET replaces = NULL WHERE doc_id = ?1", doc_id));
        if (old.has_value()) S3ATTN_CHECK(drop_document(db, *old));
        S3ATTN_CHECK(add_words(db, doc_id));
    }
    S3ATTN_TRY(Statement update,
               db.prepare("UPDATE documents SET complete = 1, indexed_at = ?2 WHERE doc_id = ?1"));
    return update.bind(1, doc_id).bind(2, utc_now()).run();
}

namespace {

// False where a unit is not the one that is stored.
Result<bool> describe_units(Database& db, DocumentId doc_id,
                            const std::function<Result<bool>(Unit&)>& next) {
    S3ATTN_TRY(Statement rows, db.prepare("SELECT unit_id, byte_begin, byte_end, text FROM units "
                                          "WHERE doc_id = ?1 ORDER BY unit_id"));
    S3ATTN_TRY(Statement update,
               db.prepare("UPDATE units SET heading = ?2, columns = ?3, time_begin_ms = ?4, "
                          "time_end_ms = ?5 WHERE unit_id = ?1"));
    rows.bind(1, doc_id);
    Unit unit;
    for (;;) {
        S3ATTN_TRY(const bool more, next(unit));
        S3ATTN_TRY(const bool row, rows.step());
        if (!more && !row) return true;
        if (more != row || rows.integer(1) != static_cast<int64_t>(unit.byte_begin) ||
            rows.integer(2) != static_cast<int64_t>(unit.byte_end) || rows.view(3) != unit.text) {
            return false;
        }
        update.bind(1, rows.integer(0)).bind(2, unit.heading).bind(3, unit.columns);
        update.bind(4, static_cast<int64_t>(unit.time_begin_ms));
        S3ATTN_CHECK(update.bind(5, static_cast<int64_t>(unit.time_end_ms)).run());
    }
}

}  // namespace

Result<bool> describe_document(Database& db, DocumentId doc_id, const DocumentHeader& header,
                               const std::function<Result<bool>(Unit&)>& next) {
    S3ATTN_CHECK(db.exec("SAVEPOINT describing"));
    S3ATTN_CHECK(forget_words(db, doc_id));
    auto same = describe_units(db, doc_id, next);
    if (!same.ok() || !*same) {  // also where the file could not be read to its end
        S3ATTN_CHECK(db.exec("ROLLBACK TO describing; RELEASE describing"));
        return false;
    }
    S3ATTN_CHECK(add_words(db, doc_id));
    S3ATTN_CHECK(run_for(db, "DELETE FROM properties WHERE doc_id = ?1", doc_id));
    S3ATTN_CHECK(insert_properties(db, doc_id, header));
    S3ATTN_TRY(Statement update, db.prepare("UPDATE documents SET title = ?2, date = ?3, "
                                            "file_date = ?4, described = 1 WHERE doc_id = ?1"));
    update.bind(1, doc_id).bind(2, header.title).bind(3, header.date);
    S3ATTN_CHECK(update.bind(4, header.file_date).run());
    S3ATTN_CHECK(db.exec("RELEASE describing"));
    return true;
}

Status drop_document(Database& db, const DocumentRow& document) {
    const DocumentId doc_id = document.info.doc_id;
    S3ATTN_TRY(Statement waiting, db.prepare(select_documents("replaces = ?1")));
    waiting.bind(1, doc_id);
    S3ATTN_TRY(const auto replacement, only_row(waiting));
    waiting.reset();
    if (replacement.has_value() && replacement->info.doc_id != doc_id) {
        S3ATTN_CHECK(drop_document(db, *replacement));
    }
    if (document.visible()) {  // the word index must be told what it forgets
        S3ATTN_CHECK(forget_words(db, doc_id));
    }
    S3ATTN_CHECK(run_for(db, "DELETE FROM units WHERE doc_id = ?1", doc_id));
    return run_for(db, "DELETE FROM documents WHERE doc_id = ?1", doc_id);
}

}  // namespace s3attn
