// Keeps the segments of a store few and free of dead postings.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "s3attn/result.h"
#include "store/catalog.h"

namespace s3attn {

inline constexpr uint64_t kMaxMergedTokens = 4ull << 20;

// Next segments to join, as (index of the first, how many); none: few enough.
std::optional<std::pair<size_t, size_t>> plan_merge(std::span<const SegmentRow> segments);

// Merges until plan_merge() is content; with `after_removal`, first rewrites segments of whose kept
// positions more than half are dead. Each step is one transaction of its own.
Status compact_segments(const std::string& directory, Database& db, const StoreShape& shape,
                        bool after_removal);

// Finishes a segment under its final name, durable. The catalogue must name it next.
Result<SegmentRow> publish_segment(const std::string& directory, int64_t segment_id,
                                   SegmentWriter& writer, uint64_t kept_tokens);

}  // namespace s3attn
