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
#include "store/segment_format.h"
#include "store/word_tokenizer.h"

namespace s3attn {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kApplicationId = 0x73336174;  // "s3at"
constexpr size_t kNumberDigits = 12;

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

constexpr char kWordsSchema[] = R"sql(
CREATE VIEW searchable_units AS
  SELECT u.unit_id AS unit_id, u.text AS text FROM units u JOIN documents d ON d.doc_id = u.doc_id
  WHERE d.complete = 1 OR d.replaces IS NULL;
CREATE VIRTUAL TABLE units_fts USING fts5(
  text, content = 'searchable_units', content_rowid = 'unit_id',
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
    return create_word_tables(db);
}

Status create_document_tables(Database& db) { return db.exec(kDocumentsSchema); }

Status create_word_tables(Database& db) { return db.exec(kWordsSchema); }

std::string segment_file_name(int64_t segment_id) {
    char name[48];
    std::snprintf(name, sizeof name, "segment-%012lld.seg", static_cast<long long>(segment_id));
    return name;
}

bool is_segment_file_name(std::string_view name) {
    constexpr std::string_view kPrefix = "segment-", kSuffix = ".seg";
    if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return false;
    if (name.size() < kPrefix.size() + kNumberDigits + kSuffix.size()) return false;
    name = name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size());
    return std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_temporary_file_name(std::string_view name) {
    if (!name.ends_with(kTemporarySuffix)) return false;
    name.remove_suffix(std::string_view(kTemporarySuffix).size());
    return is_segment_file_name(name);
}

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
    if (version != kFormatVersion && version != kOldFormatVersion) {
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

Result<Fingerprint> load_fingerprint(Database& db) {
    Fingerprint fingerprint;
    S3ATTN_TRY(Statement rows, db.prepare("SELECT field, value FROM fingerprint"));
    for (;;) {
        S3ATTN_TRY(const bool row, rows.step());
        if (!row) return fingerprint;
        fingerprint.fields[rows.text(0)] = rows.text(1);
    }
}

Result<StoreShape> load_shape(Database& db) {
    S3ATTN_TRY(const int64_t n_slots, load_meta(db, "n_slots"));
    S3ATTN_TRY(const int64_t latents, load_meta(db, "latents"));
    S3ATTN_TRY(const int64_t k, load_meta(db, "k"));
    const auto inside = [](int64_t value, uint32_t limit) { return value >= 1 && value <= limit; };
    if (!inside(n_slots, segment_format::kMaxSlots) ||
        !inside(latents, segment_format::kMaxLatents) || !inside(k, segment_format::kMaxK)) {
        return make_error(ErrorCode::kCorrupt,
                          "'" + db.path() + "': n_slots, latents or k is out of range");
    }
    return StoreShape{static_cast<uint32_t>(n_slots), static_cast<uint32_t>(latents),
                      static_cast<uint32_t>(k)};
}

std::set<std::string> binding_fields(const Fingerprint& a, const Fingerprint& b) {
    std::set<std::string> fields;
    for (const Fingerprint* each : {&a, &b}) {
        for (const auto& [field, value] : each->fields) fields.insert(field);
    }
    fields.erase(kModelIdentityField);
    return fields;
}

Status check_fingerprint(const std::string& directory, const Fingerprint& stored,
                         const Fingerprint& expected) {
    const std::set<std::string> fields = binding_fields(stored, expected);
    const auto value_of = [](const Fingerprint& fingerprint, const std::string& field) {
        const auto found = fingerprint.fields.find(field);
        return found == fingerprint.fields.end() ? std::string("(none)")
                                                 : "'" + found->second + "'";
    };
    for (const std::string& field : fields) {
        const std::string was = value_of(stored, field), is = value_of(expected, field);
        if (was == is) continue;
        return make_error(ErrorCode::kMismatch, reason::kStoreMismatch, field,
                          "the store '" + directory + "' was made with " + field + " = " + was +
                              ", this run has " + is +
                              "; use the model and adapter it was made with, or another store");
    }
    return {};
}

Status check_shape_equal(const std::string& directory, const StoreShape& stored,
                         const StoreShape& expected) {
    const auto text = [](const StoreShape& s) {
        return std::to_string(s.n_slots) + " head slots of " + std::to_string(s.latents) +
               " latents, k = " + std::to_string(s.k);
    };
    if (text(stored) == text(expected)) return {};
    return make_error(
        ErrorCode::kMismatch, reason::kStoreMismatch, "shape",
        "the store '" + directory + "' has " + text(stored) + ", this run has " + text(expected));
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

Result<std::vector<SegmentRow>> load_segments(Database& db) {
    std::vector<SegmentRow> segments;
    S3ATTN_TRY(Statement rows,
               db.prepare("SELECT segment_id, file, base, n_tokens, kept_tokens, bytes, checksum "
                          "FROM segments ORDER BY base"));
    uint64_t end = 0;
    for (;;) {
        S3ATTN_TRY(const bool row, rows.step());
        if (!row) return segments;
        SegmentRow s;
        s.segment_id = rows.integer(0);
        s.file = rows.text(1);
        s.base = static_cast<uint64_t>(rows.integer(2));
        s.n_tokens = static_cast<uint64_t>(rows.integer(3));
        s.kept_tokens = static_cast<uint64_t>(rows.integer(4));
        s.bytes = static_cast<uint64_t>(rows.integer(5));
        s.checksum = static_cast<uint64_t>(rows.integer(6));
        if (!is_segment_file_name(s.file) || s.base < end ||
            s.base >= segment_format::kMaxPosition || s.n_tokens < 1 ||
            s.n_tokens > segment_format::kMaxTokens || s.kept_tokens > s.n_tokens) {
            return make_error(ErrorCode::kCorrupt, "'" + db.path() + "': the row of segment " +
                                                       std::to_string(s.segment_id) + " ('" +
                                                       s.file + "') is impossible");
        }
        end = s.end();
        segments.push_back(std::move(s));
    }
}

Status insert_segment(Database& db, const SegmentRow& row) {
    S3ATTN_TRY(Statement insert,
               db.prepare("INSERT INTO segments VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"));
    insert.bind(1, row.segment_id).bind(2, row.file);
    insert.bind(3, static_cast<int64_t>(row.base)).bind(4, static_cast<int64_t>(row.n_tokens));
    insert.bind(5, static_cast<int64_t>(row.kept_tokens)).bind(6, static_cast<int64_t>(row.bytes));
    return insert.bind(7, static_cast<int64_t>(row.checksum)).run();
}

Result<PositionRanges> load_live_ranges(Database& db, uint64_t begin, uint64_t end) {
    PositionRanges ranges;
    S3ATTN_TRY(Statement rows,
               db.prepare("SELECT position_begin, n_tokens FROM units WHERE position_begin >= ?1 "
                          "AND position_begin < ?2 AND n_tokens > 0 ORDER BY position_begin"));
    rows.bind(1, static_cast<int64_t>(begin)).bind(2, static_cast<int64_t>(end));
    for (;;) {
        S3ATTN_TRY(const bool row, rows.step());
        if (!row) return ranges;
        const auto from = static_cast<uint64_t>(rows.integer(0));
        const auto tokens = static_cast<uint64_t>(rows.integer(1));
        if (tokens > end - from || (!ranges.empty() && from < ranges.back().second)) {
            return make_error(ErrorCode::kCorrupt, "'" + db.path() +
                                                       "': units overlap or leave their segment "
                                                       "at position " +
                                                       std::to_string(from));
        }
        if (!ranges.empty() && ranges.back().second == from) {
            ranges.back().second = from + tokens;
        } else {
            ranges.emplace_back(from, from + tokens);
        }
    }
}

Result<std::vector<std::string>> find_orphans(const std::string& directory, Database& db) {
    std::set<std::string> named;
    S3ATTN_TRY(Statement rows, db.prepare("SELECT file FROM segments"));
    for (;;) {
        S3ATTN_TRY(const bool row, rows.step());
        if (!row) break;
        named.insert(rows.text(0));
    }
    std::vector<std::string> orphans;
    S3ATTN_TRY(const auto names, list_directory(directory));
    for (const std::string& name : names) {
        std::error_code ignored;
        const auto status = fs::symlink_status(directory + "/" + name, ignored);
        if (status.type() != fs::file_type::regular) continue;
        const bool segment = is_segment_file_name(name) && !named.contains(name);
        if (segment || is_temporary_file_name(name) || name.starts_with(kNewCatalogFile)) {
            orphans.push_back(name);
        }
    }
    std::sort(orphans.begin(), orphans.end());
    return orphans;
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
