#include "store/compact.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "base/files.h"
#include "store/layout.h"
#include "store/segment_file.h"

namespace s3attn {
namespace {

constexpr size_t kFanIn = 8;
constexpr uint64_t kSmallestTier = 32768;  // tokens; a factor of kFanIn from tier to tier
constexpr uint32_t kTiers = 3;             // larger segments stay as they are

uint32_t tier_of(uint64_t n_tokens) {
    uint32_t tier = 0;
    for (uint64_t limit = kSmallestTier; n_tokens > limit; limit *= kFanIn) ++tier;
    return tier;
}

// Longest run from `first` on that fits one merged segment.
size_t fitting(std::span<const SegmentRow> run, size_t first) {
    size_t count = 0;
    while (first + count < run.size() &&
           run[first + count].end() - run[first].base <= kMaxMergedTokens) {
        ++count;
    }
    return count;
}

uint64_t length_of(const PositionRanges& ranges) {
    uint64_t length = 0;
    for (const auto& [begin, end] : ranges) length += end - begin;
    return length;
}

// Copies the postings of live positions from one segment into a merged one.
class Copier {
  public:
    Copier(SegmentWriter& writer, uint64_t base, const PositionRanges& live, uint64_t window_bytes,
           const std::atomic<bool>& stop)
        : writer_(writer), base_(base), live_(live), window_bytes_(window_bytes), stop_(stop) {}

    Status copy(const SegmentFile& segment) {
        const uint64_t block_bytes = segment.bytes() / segment.n_blocks();
        uint64_t read = 0;
        for (uint32_t block = 0; block < segment.n_blocks(); ++block) {
            if (stop_.load(std::memory_order_relaxed)) {
                return make_error(ErrorCode::kCancelled, "joining segments was stopped");
            }
            if ((read += block_bytes) >= window_bytes_) {
                segment.file()->forget_pages();
                read = 0;
            }
            const uint64_t begin = segment.base() + static_cast<uint64_t>(block) * kBlockTokens;
            const uint64_t end =
                std::min(begin + kBlockTokens, segment.base() + segment.n_tokens());
            if (!mark_live(begin, end)) continue;
            if (begin > base_) S3ATTN_CHECK(advance_to(begin));
            for (uint32_t slot = 0; slot < segment.n_slots(); ++slot) {
                S3ATTN_TRY(const BlockView view, segment.read_block(slot, block, scratch_));
                copy_block(view, slot, begin);
            }
            S3ATTN_CHECK(advance_to(std::min(end, live_.back().second)));
        }
        return {};
    }

  private:
    void copy_block(const BlockView& view, uint32_t slot, uint64_t begin) {
        for (size_t f = 0; f + 1 < view.feature_begin.size(); ++f) {
            for (uint32_t i = view.feature_begin[f]; i < view.feature_begin[f + 1]; ++i) {
                if (!alive_[view.position[i]]) continue;
                writer_.add_posting(slot, begin + view.position[i] - base_,
                                    static_cast<uint16_t>(f), view.activation[i]);
            }
        }
    }

    // alive_ of the block [begin, end); false when nothing in it lives.
    bool mark_live(uint64_t begin, uint64_t end) {
        alive_.assign(kBlockTokens, false);
        while (next_ < live_.size() && live_[next_].second <= begin) ++next_;
        bool any = false;
        for (size_t i = next_; i < live_.size() && live_[i].first < end; ++i) {
            const uint64_t from = std::max(begin, live_[i].first);
            const uint64_t to = std::min(end, live_[i].second);
            std::fill(alive_.begin() + static_cast<ptrdiff_t>(from - begin),
                      alive_.begin() + static_cast<ptrdiff_t>(to - begin), true);
            any = true;
        }
        return any;
    }

    Status advance_to(uint64_t position) {
        return writer_.advance_to(std::max(writer_.n_tokens(), position - base_));
    }

    SegmentWriter& writer_;
    uint64_t base_;
    const PositionRanges& live_;
    uint64_t window_bytes_;
    const std::atomic<bool>& stop_;
    size_t next_ = 0;
    std::vector<bool> alive_;
    BlockScratch scratch_;
};

}  // namespace

std::optional<std::pair<size_t, size_t>> plan_merge(std::span<const SegmentRow> segments) {
    for (uint32_t tier = 0; tier < kTiers; ++tier) {
        for (size_t begin = 0; begin < segments.size();) {
            // A run of this tier, smaller ones in between included. They do not count, or a large
            // one would be rewritten for every few small ones behind it.
            size_t first = begin, last = begin, of_tier = 0, end = begin;
            for (; end < segments.size() && tier_of(segments[end].n_tokens) <= tier; ++end) {
                if (tier_of(segments[end].n_tokens) != tier) continue;
                if (of_tier++ == 0) first = end;
                last = end;
            }
            if (of_tier >= kFanIn) {
                const auto run = segments.subspan(first, last + 1 - first);
                for (size_t i = 0; i + 1 < run.size(); ++i) {
                    const size_t count = fitting(run, i);
                    if (count >= 2) return std::pair(first + i, count);
                }
            }
            begin = end + 1;
        }
    }
    return std::nullopt;
}

Result<SegmentRow> publish_segment(const std::string& directory, int64_t segment_id,
                                   SegmentWriter& writer, uint64_t kept_tokens) {
    S3ATTN_TRY(const SegmentSummary summary, writer.finish());
    SegmentRow row;
    row.segment_id = segment_id;
    row.file = segment_file_name(segment_id);
    row.base = summary.base;
    row.n_tokens = summary.n_tokens;
    row.kept_tokens = kept_tokens;
    row.bytes = summary.bytes;
    row.checksum = summary.checksum;
    const std::string path = directory + "/" + row.file;
    if (::rename((path + kTemporarySuffix).c_str(), path.c_str()) != 0) {
        return errno_error("cannot rename to", path);
    }
    S3ATTN_CHECK(sync_directory(directory));
    return row;
}

Result<std::optional<size_t>> plan_rewrite(Database& db, std::span<const SegmentRow> segments) {
    for (size_t i = 0; i < segments.size(); ++i) {
        const SegmentRow& row = segments[i];
        S3ATTN_TRY(const PositionRanges live, load_live_ranges(db, row.base, row.end()));
        if (2 * length_of(live) < row.kept_tokens) return std::optional(i);
    }
    return std::optional<size_t>();
}

Result<MergeResult> run_merge(const std::string& directory, const StoreShape& shape,
                              const MergeJob& job, uint64_t window_bytes,
                              const std::atomic<bool>& stop) {
    MergeResult result;
    result.old = job.old;
    if (job.live.empty()) return result;
    const std::string temporary =
        directory + "/" + segment_file_name(job.segment_id) + kTemporarySuffix;
    const uint64_t base = job.live.front().first;
    S3ATTN_TRY(const auto writer, SegmentWriter::create(temporary, base, shape));
    Copier copier(*writer, base, job.live, window_bytes, stop);
    for (const SegmentRow& row : job.old) {
        S3ATTN_TRY(const auto segment, open_named_segment(directory, row, shape));
        S3ATTN_CHECK(copier.copy(*segment));
    }
    S3ATTN_TRY(result.merged,
               publish_segment(directory, job.segment_id, *writer, length_of(job.live)));
    return result;
}

Status swap_segments(Database& db, const MergeResult& result) {
    S3ATTN_TRY(Statement remove, db.prepare("DELETE FROM segments WHERE segment_id = ?1"));
    for (const SegmentRow& row : result.old) S3ATTN_CHECK(remove.bind(1, row.segment_id).run());
    return result.merged.has_value() ? insert_segment(db, *result.merged) : Status();
}

void unlink_old_segments(const std::string& directory, const MergeResult& result) {
    for (const SegmentRow& row : result.old) ::unlink((directory + "/" + row.file).c_str());
}

}  // namespace s3attn
