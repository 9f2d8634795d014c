#include "store/segment_rows.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <set>
#include <system_error>

#include "base/directory.h"
#include "store/layout.h"
#include "store/segment_format.h"

namespace s3attn {
namespace {

namespace fs = std::filesystem;

constexpr size_t kNumberDigits = 12;

}  // namespace

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

}  // namespace s3attn
