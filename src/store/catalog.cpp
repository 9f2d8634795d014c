#include "store/catalog.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <set>
#include <system_error>

#include "base/directory.h"
#include "base/files.h"
#include "s3attn/reason.h"
#include "s3attn/store.h"
#include "store/layout.h"
#include "store/word_tokenizer.h"

namespace s3attn {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kApplicationId = 0x73336174;  // "s3at"

constexpr char kBaseSchema[] = R"sql(
CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE fingerprint(field TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE units(
  unit_id INTEGER PRIMARY KEY AUTOINCREMENT,
  doc_id INTEGER NOT NULL REFERENCES documents(doc_id),
  position_begin INTEGER NOT NULL, n_tokens INTEGER NOT NULL,
  byte_begin INTEGER NOT NULL, byte_end INTEGER NOT NULL,
  line_begin INTEGER NOT NULL, line_end INTEGER NOT NULL, page INTEGER NOT NULL,
  gap TEXT NOT NULL, text TEXT NOT NULL);
CREATE INDEX units_by_document ON units(doc_id);
CREATE INDEX units_by_position ON units(position_begin);
CREATE TABLE segments(
  segment_id INTEGER PRIMARY KEY, file TEXT NOT NULL UNIQUE,
  base INTEGER NOT NULL, n_tokens INTEGER NOT NULL, kept_tokens INTEGER NOT NULL,
  bytes INTEGER NOT NULL, checksum INTEGER NOT NULL);
)sql";

constexpr char kDocumentsSchema[] = R"sql(
CREATE TABLE documents(
  doc_id INTEGER PRIMARY KEY AUTOINCREMENT,
  path TEXT NOT NULL, source TEXT, format TEXT NOT NULL, encoding TEXT NOT NULL,
  offsets INTEGER NOT NULL, source_bytes INTEGER NOT NULL, source_hash TEXT NOT NULL,
  tokens INTEGER NOT NULL, units INTEGER NOT NULL, complete INTEGER NOT NULL,
  replaces INTEGER, indexed_at TEXT NOT NULL, UNIQUE(path, complete), UNIQUE(source, complete));
CREATE INDEX documents_by_hash ON documents(source_hash);
)sql";

// New tables get these columns in the same way as old ones, so that both are written alike.
constexpr char kDescriptionsSchema[] = R"sql(
ALTER TABLE units ADD COLUMN heading TEXT NOT NULL DEFAULT '';
ALTER TABLE units ADD COLUMN columns TEXT NOT NULL DEFAULT '';
ALTER TABLE units ADD COLUMN time_begin_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE units ADD COLUMN time_end_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE documents ADD COLUMN title TEXT NOT NULL DEFAULT '';
ALTER TABLE documents ADD COLUMN date TEXT NOT NULL DEFAULT '';
ALTER TABLE documents ADD COLUMN file_date TEXT NOT NULL DEFAULT '';
ALTER TABLE documents ADD COLUMN described INTEGER NOT NULL DEFAULT 0;
CREATE TABLE properties(
  doc_id INTEGER NOT NULL REFERENCES documents(doc_id) ON DELETE CASCADE,
  key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY(doc_id, key)) WITHOUT ROWID;
)sql";

constexpr char kWordsSchema[] = R"sql(
CREATE VIEW searchable_units AS
  SELECT u.unit_id AS unit_id, u.text AS text, u.heading || ' ' || u.columns AS heading
  FROM units u JOIN documents d ON d.doc_id = u.doc_id
  WHERE d.complete = 1 OR d.replaces IS NULL;
CREATE VIRTUAL TABLE units_fts USING fts5(
  text, heading, content = 'searchable_units', content_rowid = 'unit_id',
  tokenize = 's3words');
)sql";

Error not_a_store(const std::string& directory, const std::string& why) {
    return make_error(ErrorCode::kInvalidArgument, reason::kNotAStore, directory,
                      "'" + directory + "' is not a store: " + why);
}

bool is_our_leftover(const std::string& name) {
    return name == kLockFile || name == kUploadsFolder || name.starts_with(kNewCatalogFile);
}

// Writes the tables into a fresh file; one transaction, so the file is whole or useless.
Status write_new_catalog(const std::string& path, const Fingerprint& fingerprint,
                         const StoreShape& shape) {
    S3ATTN_TRY(const auto db, Database::open(path, Database::Mode::kCreate));
    S3ATTN_CHECK(db->exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; BEGIN IMMEDIATE"));
    S3ATTN_CHECK(create_tables(*db));
    S3ATTN_CHECK(db->exec(("PRAGMA application_id = " + std::to_string(kApplicationId)).c_str()));
    S3ATTN_CHECK(db->exec(("PRAGMA user_version = " + std::to_string(kFormatVersion)).c_str()));
    const std::pair<const char*, int64_t> meta[] = {{"n_slots", shape.n_slots},
                                                    {"latents", shape.latents},
                                                    {"k", shape.k},
                                                    {"next_position", 0},
                                                    {"next_segment", 1},
                                                    {kWordIndexMeta, word_index_version()}};
    for (const auto& [name, value] : meta) S3ATTN_CHECK(save_meta(*db, name, value));
    S3ATTN_TRY(Statement insert, db->prepare("INSERT INTO fingerprint VALUES (?1, ?2)"));
    for (const auto& [field, value] : fingerprint.fields) {
        S3ATTN_CHECK(insert.bind(1, field).bind(2, value).run());
    }
    return db->exec("COMMIT");
}

}  // namespace

Status create_tables(Database& db) {
    S3ATTN_CHECK(db.exec(kBaseSchema));
    S3ATTN_CHECK(create_document_tables(db));
    S3ATTN_CHECK(add_descriptions(db));
    return create_word_tables(db);
}

Status create_document_tables(Database& db) { return db.exec(kDocumentsSchema); }

Status add_descriptions(Database& db) { return db.exec(kDescriptionsSchema); }

Status create_word_tables(Database& db) { return db.exec(kWordsSchema); }

Status check_store_directory(const std::string& directory) {
    if (directory.empty()) {
        return make_error(ErrorCode::kInvalidArgument, "the store's name is empty");
    }
    std::error_code error;
    const fs::file_status status = fs::status(directory, error);
    if (status.type() == fs::file_type::not_found) {
        return make_error(ErrorCode::kNotFound, reason::kNoStore, directory,
                          "there is no store '" + directory + "'");
    }
    if (error) {
        return make_error(ErrorCode::kIo, "cannot look at '" + directory + "': " + error.message());
    }
    if (status.type() != fs::file_type::directory) {
        return not_a_store(directory, "it is a file; a store is a directory");
    }
    const fs::file_status catalog = fs::status(directory + "/" + kCatalogFile, error);
    if (catalog.type() == fs::file_type::regular) return {};
    if (error && catalog.type() != fs::file_type::not_found) {
        return make_error(ErrorCode::kIo, "cannot look at '" + directory + "/" + kCatalogFile +
                                              "': " + error.message());
    }
    S3ATTN_TRY(const auto names, list_directory(directory));
    const bool empty = std::all_of(names.begin(), names.end(), is_our_leftover);
    if (empty) {
        return make_error(ErrorCode::kNotFound, reason::kNoStore, directory,
                          "'" + directory + "' is an empty directory, not yet a store");
    }
    return not_a_store(directory, "it has other files and no catalog.db");
}

Status create_catalog(const std::string& directory, const Fingerprint& fingerprint,
                      const StoreShape& shape) {
    const std::string path = directory + "/" + kNewCatalogFile;
    const auto discard = [&] {
        for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
            ::unlink((path + suffix).c_str());
        }
    };
    discard();  // of a writer that died while it made the store
    if (Status status = write_new_catalog(path, fingerprint, shape); !status.ok()) {
        discard();
        return status;
    }
    S3ATTN_CHECK(sync_file(path));
    const std::string target = directory + "/" + kCatalogFile;
    if (::rename(path.c_str(), target.c_str()) != 0) return errno_error("cannot rename to", target);
    return sync_directory(directory);
}

Result<std::unique_ptr<Database>> open_catalog(const std::string& directory, Database::Mode mode) {
    S3ATTN_CHECK(check_store_directory(directory));
    S3ATTN_TRY(auto db, Database::open(directory + "/" + kCatalogFile, mode));
    S3ATTN_TRY(const int64_t application, db->integer("PRAGMA application_id"));
    if (application != kApplicationId) {
        return not_a_store(directory, "its catalog.db belongs to another program");
    }
    S3ATTN_TRY(const int64_t version, db->integer("PRAGMA user_version"));
    if (version < kOldestFormatVersion || version > kFormatVersion) {
        return make_error(ErrorCode::kUnsupported,
                          "the store '" + directory + "' has format version " +
                              std::to_string(version) + "; this program knows version " +
                              std::to_string(kFormatVersion) +
                              ". Use the program that made it, or index again");
    }
    // What words the index holds, in how many units each; a table of this connection only.
    S3ATTN_CHECK(
        db->exec("PRAGMA temp_store = MEMORY; "
                 "CREATE VIRTUAL TABLE temp.units_words "
                 "USING fts5vocab('main', 'units_fts', 'row')"));
    return db;
}

Result<std::optional<int64_t>> find_meta(Database& db, std::string_view name) {
    S3ATTN_TRY(Statement row, db.prepare("SELECT value FROM meta WHERE name = ?1"));
    S3ATTN_TRY(const bool found, row.bind(1, name).step());
    if (!found) return std::optional<int64_t>();
    return std::optional<int64_t>(row.integer(0));
}

Result<int64_t> load_meta(Database& db, std::string_view name) {
    S3ATTN_TRY(const auto value, find_meta(db, name));
    if (!value.has_value()) {
        return make_error(ErrorCode::kCorrupt,
                          "'" + db.path() + "': meta has no '" + std::string(name) + "'");
    }
    return *value;
}

Status save_meta(Database& db, std::string_view name, int64_t value) {
    S3ATTN_TRY(Statement row, db.prepare("INSERT OR REPLACE INTO meta VALUES (?1, ?2)"));
    return row.bind(1, name).bind(2, value).run();
}

DocumentInfo document_of(const Statement& row) {
    DocumentInfo info;
    info.doc_id = DocumentId(row.integer(0));
    info.path = row.text(1);
    info.format = row.text(2);
    info.encoding = row.text(3);
    info.offsets = row.integer(4) == 0 ? OffsetSpace::kSource : OffsetSpace::kExtracted;
    info.source_bytes = static_cast<uint64_t>(row.integer(5));
    info.source_hash = row.text(6);
    info.tokens = static_cast<uint64_t>(row.integer(7));
    info.units = static_cast<uint64_t>(row.integer(8));
    info.complete = row.integer(9) != 0;
    info.indexed_at = row.text(10);
    info.source = row.text(11);
    info.title = row.text(12);
    info.date = row.text(13);
    info.date_of_file = info.date.empty() && !row.view(14).empty();
    if (info.date_of_file) info.date = row.text(14);
    info.described = row.integer(15) != 0;
    return info;
}

std::string utc_now() {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return text;
}

}  // namespace s3attn
