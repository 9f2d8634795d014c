#include "store/verify.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include <filesystem>
#include <vector>

#include "store/catalog.h"
#include "store/catalog_checks.h"
#include "store/layout.h"
#include "store/open_writer.h"
#include "store/segment_file.h"
#include "store/snapshot.h"
#include "store/vectors.h"
#include "store/writer_lock.h"

namespace s3attn {
namespace {

// FTS5's check is an INSERT, which a reader cannot do; so it runs on a private copy.
Status check_word_index(Database& db) {
    S3ATTN_TRY(const auto copy, Database::open("", Database::Mode::kTemporary));
    sqlite3_backup* backup = sqlite3_backup_init(copy->handle(), "main", db.handle(), "main");
    if (backup == nullptr) return sqlite_error(copy->handle(), db.path());
    const int rc = sqlite3_backup_step(backup, -1);
    sqlite3_backup_finish(backup);
    if (rc != SQLITE_DONE) {
        return make_error(ErrorCode::kIo, "'" + db.path() +
                                              "': cannot copy it to check the word "
                                              "index: " +
                                              sqlite3_errstr(rc));
    }
    const Status status =
        copy->exec("INSERT INTO units_fts(units_fts, rank) VALUES ('integrity-check', 1)");
    if (status.ok()) return {};
    if (status.error().code == ErrorCode::kExhausted) return status.error();
    return make_error(status.error().code, "'" + db.path() +
                                               "': the word index does not match the units" +
                                               status.error().message.substr(2));
}

// Units against documents: counts, byte order, positions ascending.
Status check_documents(Database& db, VerifyReport& report) {
    S3ATTN_TRY(Statement documents,
               db.prepare("SELECT d.doc_id, d.tokens, d.units, count(u.unit_id), "
                          "coalesce(sum(u.n_tokens), 0), d.complete, d.replaces FROM documents d "
                          "LEFT JOIN units u ON u.doc_id = d.doc_id GROUP BY d.doc_id"));
    for (;;) {
        S3ATTN_TRY(const bool row, documents.step());
        if (!row) break;
        const std::string name = "document " + documents.text(0);
        if (documents.integer(2) != documents.integer(3)) {
            return corrupt_catalog(db, name + " should have " + documents.text(2) +
                                           " units and has " + documents.text(3));
        }
        if (documents.integer(1) != documents.integer(4)) {
            return corrupt_catalog(db, name + " should have " + documents.text(1) +
                                           " tokens and has " + documents.text(4));
        }
        if (documents.integer(5) != 0 && !documents.is_null(6)) {
            return corrupt_catalog(db, name + " is complete and still replaces another");
        }
        ++report.documents;
    }
    S3ATTN_TRY(Statement units,
               db.prepare("SELECT unit_id, byte_begin, byte_end, lag(doc_id) OVER w = doc_id AND "
                          "lag(byte_end) OVER w > byte_begin FROM units "
                          "WINDOW w AS (ORDER BY doc_id, unit_id)"));
    for (;;) {
        S3ATTN_TRY(const bool row, units.step());
        if (!row) return {};
        if (units.integer(1) < 0 || units.integer(1) > units.integer(2) || units.integer(3) != 0) {
            return corrupt_catalog(db, "the byte range of unit " + units.text(0) +
                                           " is impossible or overlaps the unit before it");
        }
        ++report.units;
    }
}

Status check_segments(const StoreSnapshot& snapshot, VerifyReport& report) {
    Database& db = *snapshot.catalog.db;
    S3ATTN_TRY(const int64_t next_segment, load_meta(db, "next_segment"));
    for (size_t i = 0; i < snapshot.rows.size(); ++i) {
        const SegmentRow& row = snapshot.rows[i];
        const SegmentFile& segment = *snapshot.segments[i];
        if (row.segment_id >= next_segment) {
            return corrupt_catalog(
                db, "segment '" + row.file + "' has a number that was not given out");
        }
        S3ATTN_CHECK(segment.verify());
        if (segment.n_postings() > row.kept_tokens * snapshot.shape.n_slots * snapshot.shape.k) {
            return make_error(ErrorCode::kCorrupt, "'" + segment.path() + "' has " +
                                                       std::to_string(segment.n_postings()) +
                                                       " postings, more than its tokens can have");
        }
        ++report.segments;
        report.postings += segment.n_postings();
        report.bytes += segment.bytes();
    }
    return {};
}

Status check_catalog(Database& db, VerifyReport& report) {
    S3ATTN_CHECK(check_database(db));
    S3ATTN_CHECK(check_schema(db));
    S3ATTN_TRY([[maybe_unused]] const StoreShape shape, load_shape(db));
    S3ATTN_CHECK(check_documents(db, report));
    S3ATTN_CHECK(check_vectors(db));
    S3ATTN_TRY(const auto segments, load_segments(db));
    return check_positions(db, segments);
}

// Removes what a dead writer left, if no writer lives and the directory can be written.
Status remove_orphans(const std::string& directory, const std::vector<std::string>& orphans,
                      VerifyReport& report) {
    if (orphans.empty()) return {};
    if (!open_existing_writer(directory).ok()) return {};  // in use or read-only: not ours to do
    for (const std::string& name : orphans) {
        std::error_code ignored;
        if (!std::filesystem::exists(directory + "/" + name, ignored)) {
            report.orphans_removed.push_back(name);
        }
    }
    return {};
}

}  // namespace

Result<VerifyReport> verify_directory(const std::string& store) {
    VerifyReport report;
    // Every segment is held from here on: a writer may join them, and remove them, meanwhile.
    auto opened = open_store_snapshot(store, nullptr);
    if (!opened.ok()) {  // the catalogue may say better why
        S3ATTN_TRY(const CatalogSnapshot catalog, open_snapshot(store));
        S3ATTN_CHECK(check_catalog(*catalog.db, report));
        return opened.error();
    }
    const StoreSnapshot& snapshot = *opened;
    Database& db = *snapshot.catalog.db;
    S3ATTN_CHECK(check_catalog(db, report));
    S3ATTN_CHECK(check_segments(snapshot, report));
    S3ATTN_CHECK(check_word_index(db));
    struct stat info {};
    if (::stat((store + "/" + kCatalogFile).c_str(), &info) == 0) {
        report.bytes += static_cast<uint64_t>(info.st_size);
    }
    // Last: on a damaged catalogue every segment may look like an orphan.
    S3ATTN_TRY(const auto orphans, find_orphans(store, db));
    S3ATTN_CHECK(remove_orphans(store, orphans, report));
    return report;
}

}  // namespace s3attn
