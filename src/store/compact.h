// Keeps the segments of a store few and free of dead postings.
#pragma once

#include <atomic>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "s3attn/result.h"
#include "store/catalog.h"

namespace s3attn {

inline constexpr uint64_t kMaxMergedTokens = 4ull << 20;

// Next segments to join, as (index of the first, how many); none: few enough.
std::optional<std::pair<size_t, size_t>> plan_merge(std::span<const SegmentRow> segments);

// The first segment of whose kept positions more than half are dead.
Result<std::optional<size_t>> plan_rewrite(Database& db, std::span<const SegmentRow> segments);

struct MergeJob {
    int64_t segment_id = 0;       // of the new segment; given out already
    std::vector<SegmentRow> old;  // neighbours
    PositionRanges live;          // what to keep of them
};
struct MergeResult {
    std::vector<SegmentRow> old;
    std::optional<SegmentRow> merged;  // none: no position lived
};
// Writes and publishes the new segment; needs no catalogue. kCancelled once `stop` is set. Of the
// mapped segments at most about `window_bytes` stay in memory.
Result<MergeResult> run_merge(const std::string& directory, const StoreShape& shape,
                              const MergeJob& job, uint64_t window_bytes,
                              const std::atomic<bool>& stop);
// In the caller's transaction: `old` out, `merged` in.
Status swap_segments(Database& db, const MergeResult& result);
// After its commit. Readers that opened the files keep them; one that cannot be unlinked now is an
// orphan later.
void unlink_old_segments(const std::string& directory, const MergeResult& result);

// Finishes a segment under its final name, durable. The catalogue must name it next.
Result<SegmentRow> publish_segment(const std::string& directory, int64_t segment_id,
                                   SegmentWriter& writer, uint64_t kept_tokens);

}  // namespace s3attn
