#include "store/catalog_checks.h"

#include <set>
#include <utility>

#include "store/vectors.h"

namespace s3attn {
namespace {

// (name, statement); without what SQLite and FTS5 make by themselves, which differs by version.
Result<std::set<std::pair<std::string, std::string>>> load_schema(Database& db) {
    std::set<std::pair<std::string, std::string>> schema;
    S3ATTN_TRY(Statement rows, db.prepare("SELECT name, sql FROM sqlite_master"));
    for (;;) {
        S3ATTN_TRY(const bool row, rows.step());
        if (!row) return schema;
        if (rows.view(0).starts_with("sqlite_") || rows.view(0).starts_with("units_fts_")) continue;
        schema.emplace(rows.text(0), rows.text(1));
    }
}

}  // namespace

Error corrupt_catalog(const Database& db, const std::string& what) {
    return make_error(ErrorCode::kCorrupt, "'" + db.path() + "': " + what);
}

Status check_database(Database& db) {
    S3ATTN_TRY(Statement integrity, db.prepare("PRAGMA integrity_check(1)"));
    S3ATTN_TRY(const bool answered, integrity.step());
    if (!answered || integrity.view(0) != "ok") {
        return corrupt_catalog(db, answered ? integrity.text(0) : "integrity_check gave no answer");
    }
    S3ATTN_TRY(Statement keys, db.prepare("PRAGMA foreign_key_check"));
    S3ATTN_TRY(const bool violated, keys.step());
    if (violated) {
        return corrupt_catalog(db, "row " + keys.text(1) + " of " + keys.text(0) +
                                       " belongs to no row of " + keys.text(2));
    }
    return {};
}

Status check_schema(Database& db) {
    S3ATTN_TRY(const int64_t version, db.integer("PRAGMA user_version"));
    if (version < kFormatVersion) {  // readable, where it cannot be written
        return make_error(ErrorCode::kUnsupported,
                          "'" + db.path() + "' has format version " + std::to_string(version) +
                              ", which is checked once it is opened where it can be written");
    }
    S3ATTN_TRY(const auto fresh, Database::open("", Database::Mode::kTemporary));
    S3ATTN_CHECK(create_tables(*fresh));
    S3ATTN_TRY(const bool with_vectors, has_vector_tables(db));
    if (with_vectors) S3ATTN_CHECK(create_vector_tables(*fresh));
    S3ATTN_TRY(const auto expected, load_schema(*fresh));
    S3ATTN_TRY(const auto found, load_schema(db));
    for (const auto& entry : found) {
        if (!expected.contains(entry)) {
            return corrupt_catalog(db, "'" + entry.first + "' is not as a store has it");
        }
    }
    for (const auto& entry : expected) {
        if (!found.contains(entry)) return corrupt_catalog(db, "it has no '" + entry.first + "'");
    }
    return {};
}

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
            return corrupt_catalog(db, "the positions of unit " + units.text(0) +
                                           " are impossible or overlap the unit before it");
        }
        if (tokens == 0) continue;
        end = static_cast<uint64_t>(begin) + static_cast<uint64_t>(tokens);
        while (s < segments.size() && segments[s].end() <= static_cast<uint64_t>(begin)) ++s;
        if (s == segments.size() || segments[s].base > static_cast<uint64_t>(begin) ||
            segments[s].end() < end) {
            return corrupt_catalog(db,
                                   "unit " + units.text(0) + " has positions without a segment");
        }
    }
    if (!segments.empty() && segments.back().end() > static_cast<uint64_t>(next_position)) {
        return corrupt_catalog(
            db, "segment '" + segments.back().file + "' reaches beyond the next free position");
    }
    return {};
}

}  // namespace s3attn
