// The segments of a store as its catalogue names them, and which positions in them are alive.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "s3attn/result.h"
#include "store/segment_writer.h"
#include "store/sqlite.h"

namespace s3attn {

struct SegmentRow {
    int64_t segment_id = 0;
    std::string file;
    uint64_t base = 0, n_tokens = 0;
    uint64_t kept_tokens = 0;  // positions whose postings were kept when it was written
    uint64_t bytes = 0, checksum = 0;
    uint64_t end() const { return base + n_tokens; }
};

// Ascending by base; ranges checked not to overlap, names checked to be ours.
Result<std::vector<SegmentRow>> load_segments(Database& db);
Status insert_segment(Database& db, const SegmentRow& row);

// Position ranges [first, second) inside [begin, end) that have a unit (of any document, also an
// interrupted one), ascending, adjacent ranges joined.
using PositionRanges = std::vector<std::pair<uint64_t, uint64_t>>;
Result<PositionRanges> load_live_ranges(Database& db, uint64_t begin, uint64_t end);

// Files in the directory that look like ours and that the catalogue does not name.
Result<std::vector<std::string>> find_orphans(const std::string& directory, Database& db);

}  // namespace s3attn
