#include "store/upgrade.h"

#include <filesystem>

#include "store/catalog.h"
#include "store/documents.h"
#include "store/open_writer.h"
#include "store/sources.h"
#include "store/word_tokenizer.h"

namespace s3attn {
namespace {

constexpr int64_t kSourcesVersion = 2;  // the first whose documents know their source

// A store of version 2 as one of today's, for this connection alone: names of the temporary schema
// hide those of the store.
constexpr char kShadows[] = R"sql(
CREATE TEMP VIEW units AS SELECT *, '' AS heading, '' AS columns, 0 AS time_begin_ms,
  0 AS time_end_ms FROM main.units;
CREATE TEMP VIEW documents AS SELECT *, '' AS title, '' AS date, '' AS file_date, 0 AS described
  FROM main.documents;
CREATE TEMP VIEW properties AS SELECT 0 AS doc_id, '' AS key, '' AS value WHERE 0;
)sql";

Result<int64_t> format_of(Database& db) { return db.integer("PRAGMA user_version"); }

// Of files in the store's own folder the name in it.
Status name_uploads(Database& db) {
    const auto directory = std::filesystem::path(db.path()).parent_path();
    S3ATTN_TRY(Statement paths, db.prepare("SELECT doc_id, path FROM documents"));
    S3ATTN_TRY(Statement update, db.prepare("UPDATE documents SET source = ?2 WHERE doc_id = ?1"));
    for (;;) {
        S3ATTN_TRY(const bool row, paths.step());
        if (!row) return {};
        const std::string source = source_of(paths.text(1), directory.string());
        if (source.empty() || source.starts_with('/')) continue;
        S3ATTN_CHECK(update.bind(1, paths.integer(0)).bind(2, source).run());
    }
}

// From version 1 to 2. A path that does not depend on the directory in which the program ran says
// where the document came from.
Status add_sources(Database& db) {
    S3ATTN_TRY(const int64_t last, last_document_id(db));
    S3ATTN_CHECK(
        db.exec("CREATE TEMP TABLE old_documents AS SELECT * FROM documents;"
                "DROP TABLE documents"));
    S3ATTN_CHECK(create_document_tables(db));
    S3ATTN_CHECK(db.exec(
        "INSERT INTO documents(doc_id, path, source, format, encoding, offsets, source_bytes,"
        " source_hash, tokens, units, complete, replaces, indexed_at)"
        "SELECT doc_id, path, CASE WHEN path LIKE '/%' THEN path END, format, encoding, offsets,"
        " source_bytes, source_hash, tokens, units, complete, replaces, indexed_at "
        "FROM old_documents; DROP TABLE old_documents"));
    S3ATTN_CHECK(reserve_document_ids(db, last));
    return name_uploads(db);
}

Status upgrade_in_transaction(Database& db) {
    S3ATTN_TRY(const int64_t version, format_of(db));
    if (version < kFormatVersion) {
        S3ATTN_CHECK(db.exec("DROP TABLE units_fts; DROP VIEW searchable_units"));
        if (version < kSourcesVersion) S3ATTN_CHECK(add_sources(db));
        S3ATTN_CHECK(add_descriptions(db));
        S3ATTN_CHECK(create_word_tables(db));
        S3ATTN_CHECK(db.exec(("PRAGMA user_version = " + std::to_string(kFormatVersion)).c_str()));
    }
    S3ATTN_CHECK(db.exec("INSERT INTO units_fts(units_fts) VALUES ('rebuild')"));
    return save_meta(db, kWordIndexMeta, word_index_version());
}

}  // namespace

Result<bool> is_current(Database& db) {
    S3ATTN_TRY(const int64_t version, format_of(db));
    if (version != kFormatVersion) return false;
    S3ATTN_TRY(const auto words, find_meta(db, kWordIndexMeta));
    return words == word_index_version();
}

Status upgrade_catalog(Database& db) {
    S3ATTN_TRY(const bool current, is_current(db));
    if (current) return {};
    // Dropping a table would take the rows that refer to it along.
    S3ATTN_CHECK(db.exec("PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE"));
    Status status = upgrade_in_transaction(db);
    if (status.ok()) status = db.exec("COMMIT");
    if (!status.ok()) {
        [[maybe_unused]] const Status ignored = db.exec("ROLLBACK");
        return status;
    }
    return db.exec("PRAGMA foreign_keys = ON");
}

Result<bool> upgrade_store(const std::string& directory, Database& db) {
    const auto writer = open_existing_writer(directory);
    if (writer.ok()) return true;
    S3ATTN_TRY(const int64_t version, format_of(db));
    if (version == kFormatVersion) return false;
    if (version == kSourcesVersion) {
        S3ATTN_CHECK(db.exec(kShadows));
        return false;
    }
    Error error = writer.error();
    error.message = "the store '" + directory +
                    "' was made by an older version of this program; its word index is made again "
                    "once, when the store is opened where it can be written, and that failed: " +
                    error.message;
    return error;
}

}  // namespace s3attn
