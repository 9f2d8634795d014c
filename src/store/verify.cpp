#include <sqlite3.h>
#include <sys/stat.h>

#include <filesystem>
#include <vector>

#include "s3attn/engine.h"
#include "store/catalog.h"
#include "store/layout.h"
#include "store/open_writer.h"
#include "store/segment_file.h"
#include "store/snapshot.h"
#include "store/writer_lock.h"

namespace s3attn {
namespace {

Error corrupt(const Database& db, const std::string& what) {
    return make_error(ErrorCode::kCorrupt, "'" + db.path() + "': " + what);
}

// SQLite's own checks.
Status check_database(Database& db) {
    S3ATTN_TRY(Statement integrity, db.prepare("PRAGMA integrity_check(1)"));
    S3ATTN_TRY(const bool answered, integrity.step());
    if (!answered || integrity.view(0) != "ok") {
        return corrupt(db, answered ? integrity.text(0) : "integrity_check gave no answer");
    }
    S3ATTN_TRY(Statement keys, db.prepare("PRAGMA foreign_key_check"));
    S3ATTN_TRY(const bool violated, keys.step());
    if (violated) {
        return corrupt(db, "row " + keys.text(1) + " of " + keys.text(0) +
                               " belongs to no row of " + keys.text(2));
    }
    return {};
}

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
            return corrupt(db, name + " should have " + documents.text(2) + " units and has " +
                                   documents.text(3));
        }
        if (documents.integer(1) != documents.integer(4)) {
            return corrupt(db, name + " should have " + documents.text(1) + " tokens and has " +
                                   documents.text(4));
        }
        if (documents.integer(5) != 0 && !documents.is_null(6)) {
            return corrupt(db, name + " is complete and still replaces another");
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
            return corrupt(db, "the byte range of unit " + units.text(0) +
                                   " is impossible or overlaps the unit before it");
        }
        ++report.units;
    }
}

// Every unit's positions lie in one segment and nobody else's.
Status check_positions(Database& db, const std::vector<SegmentRow>& segments) {
    S3ATTN_TRY(const int64_t next_position, load_meta(db, "next_position"));
    S3ATTN_TRY(Statement units, db.prepare("SELECT unit_id, position_begin, n_tokens FROM units "
                                           "ORDER BY unit_id"));
    uint64_t end = 0;
    size_t s = 0;
    for (;;) {
        S3ATTN_TRY(const bool row, units.step());
        if (!row) break;
        const int64_t begin = units.integer(1), tokens = units.integer(2);
        if (begin < 0 || tokens < 0 || tokens > next_position || begin > next_position - tokens ||
            static_cast<uint64_t>(begin) < end) {
            return corrupt(db, "the positions of unit " + units.text(0) +
                                   " are impossible or overlap the unit before it");
        }
        if (tokens == 0) continue;
        end = static_cast<uint64_t>(begin) + static_cast<uint64_t>(tokens);
        while (s < segments.size() && segments[s].end() <= static_cast<uint64_t>(begin)) ++s;
        if (s == segments.size() || segments[s].base > static_cast<uint64_t>(begin) ||
            segments[s].end() < end) {
            return corrupt(db, "unit " + units.text(0) + " has positions without a segment");
        }
    }
    if (!segments.empty() && segments.back().end() > static_cast<uint64_t>(next_position)) {
        return corrupt(
            db, "segment '" + segments.back().file + "' reaches beyond the next free position");
    }
    return {};
}

Status check_segments(const std::string& directory, Database& db, const StoreShape& shape,
                      const std::vector<SegmentRow>& rows, VerifyReport& report) {
    S3ATTN_TRY(const int64_t next_segment, load_meta(db, "next_segment"));
    for (const SegmentRow& row : rows) {
        if (row.segment_id >= next_segment) {
            return corrupt(db, "segment '" + row.file + "' has a number that was not given out");
        }
        auto segment = open_named_segment(directory, row, shape);
        if (!segment.ok()) {
            if (segment.error().code != ErrorCode::kNotFound) return segment.error();
            return make_error(ErrorCode::kCorrupt,
                              "the store '" + directory + "' lacks its file '" + row.file + "'");
        }
        S3ATTN_CHECK((*segment)->verify());
        if ((*segment)->n_postings() > row.kept_tokens * shape.n_slots * shape.k) {
            return make_error(ErrorCode::kCorrupt, "'" + (*segment)->path() + "' has " +
                                                       std::to_string((*segment)->n_postings()) +
                                                       " postings, more than its tokens can have");
        }
        ++report.segments;
        report.postings += (*segment)->n_postings();
        report.bytes += (*segment)->bytes();
    }
    return {};
}

// Removes what a dead writer left, if no writer lives and the directory can be written.
Status remove_orphans(const std::string& directory, VerifyReport& report) {
    std::vector<std::string> orphans;
    {
        S3ATTN_TRY(const CatalogSnapshot snapshot, open_snapshot(directory));
        S3ATTN_TRY(orphans, find_orphans(directory, *snapshot.db));
    }
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

Result<VerifyReport> verify_store(const std::string& store) {
    VerifyReport report;
    S3ATTN_CHECK(remove_orphans(store, report));
    S3ATTN_TRY(const CatalogSnapshot snapshot, open_snapshot(store));
    Database& db = *snapshot.db;
    S3ATTN_CHECK(check_database(db));
    S3ATTN_TRY(const StoreShape shape, load_shape(db));
    S3ATTN_CHECK(check_documents(db, report));
    S3ATTN_TRY(const auto segments, load_segments(db));
    S3ATTN_CHECK(check_positions(db, segments));
    S3ATTN_CHECK(check_segments(store, db, shape, segments, report));
    S3ATTN_CHECK(check_word_index(db));
    struct stat info {};
    if (::stat((store + "/" + kCatalogFile).c_str(), &info) == 0) {
        report.bytes += static_cast<uint64_t>(info.st_size);
    }
    return report;
}

}  // namespace s3attn
