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
    Copier(SegmentWriter& writer, uint64_t base, const PositionRanges& live)
        : writer_(writer), base_(base), live_(live) {}

    Status copy(const SegmentFile& segment) {
        for (uint32_t block = 0; block < segment.n_blocks(); ++block) {
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
    size_t next_ = 0;
    std::vector<bool> alive_;
    BlockScratch scratch_;
};

// One transaction: `old` out, `merged` in (if any positions live).
Status swap_rows(Database& db, std::span<const SegmentRow> old,
                 const std::optional<SegmentRow>& merged) {
    S3ATTN_CHECK(db.exec("BEGIN IMMEDIATE"));
    const auto swap = [&]() -> Status {
        S3ATTN_TRY(Statement remove, db.prepare("DELETE FROM segments WHERE segment_id = ?1"));
        for (const SegmentRow& row : old) S3ATTN_CHECK(remove.bind(1, row.segment_id).run());
        if (merged.has_value()) {
            S3ATTN_CHECK(insert_segment(db, *merged));
            S3ATTN_CHECK(save_meta(db, "next_segment", merged->segment_id + 1));
        }
        return db.exec("COMMIT");
    };
    Status status = swap();
    if (!status.ok() && db.in_transaction()) {
        [[maybe_unused]] const Status ignored = db.exec("ROLLBACK");
    }
    return status;
}

Status merge(const std::string& directory, Database& db, const StoreShape& shape,
             std::span<const SegmentRow> old) {
    S3ATTN_TRY(const PositionRanges live, load_live_ranges(db, old.front().base, old.back().end()));
    std::optional<SegmentRow> merged;
    if (!live.empty()) {
        S3ATTN_TRY(const int64_t segment_id, load_meta(db, "next_segment"));
        const std::string temporary =
            directory + "/" + segment_file_name(segment_id) + kTemporarySuffix;
        const uint64_t base = live.front().first;
        S3ATTN_TRY(const auto writer, SegmentWriter::create(temporary, base, shape));
        Copier copier(*writer, base, live);
        for (const SegmentRow& row : old) {
            S3ATTN_TRY(const auto segment, open_named_segment(directory, row, shape));
            S3ATTN_CHECK(copier.copy(*segment));
        }
        S3ATTN_TRY(merged, publish_segment(directory, segment_id, *writer, length_of(live)));
    }
    S3ATTN_CHECK(swap_rows(db, old, merged));
    // Readers that opened them keep them; a file that cannot be unlinked now is an orphan later.
    for (const SegmentRow& row : old) ::unlink((directory + "/" + row.file).c_str());
    return {};
}

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

Status compact_segments(const std::string& directory, Database& db, const StoreShape& shape,
                        bool after_removal) {
    S3ATTN_TRY(std::vector<SegmentRow> segments, load_segments(db));
    if (after_removal) {
        for (const SegmentRow& row : segments) {
            S3ATTN_TRY(const PositionRanges live, load_live_ranges(db, row.base, row.end()));
            if (2 * length_of(live) < row.kept_tokens) {
                S3ATTN_CHECK(merge(directory, db, shape, {&row, 1}));
            }
        }
        S3ATTN_TRY(segments, load_segments(db));
    }
    while (const auto plan = plan_merge(segments)) {
        const auto [first, count] = *plan;
        S3ATTN_CHECK(merge(directory, db, shape, std::span(segments).subspan(first, count)));
        S3ATTN_TRY(segments, load_segments(db));
    }
    return {};
}

}  // namespace s3attn
