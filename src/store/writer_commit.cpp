#include <span>
#include <utility>

#include "store/catalog.h"
#include "store/writer.h"

namespace s3attn {
namespace {

Error joining_failed(Error error) {
    error.message = "everything is committed, but joining segments failed: " + error.message;
    return error;
}

}  // namespace

Status Writer::commit() {
    S3ATTN_CHECK(usable());
    if (pending_codes_ != pending_units_) {
        return make_error(ErrorCode::kInvalidArgument,
                          "cannot commit: " + std::to_string(pending_units_ - pending_codes_) +
                              " tokens have no codes yet");
    }
    if (!db_->in_transaction()) return {};
    auto merged = take_merged();
    if (merged.ok()) {
        S3ATTN_CHECK(attempt([&] { return commit_transaction(*merged); }));
        return start_merge();
    }
    S3ATTN_CHECK(attempt([&] { return commit_transaction(std::nullopt); }));
    return merged.error();
}

Status Writer::commit_transaction(const std::optional<MergeResult>& merged) {
    S3ATTN_CHECK(begin_transaction());
    S3ATTN_CHECK(store_counts());
    if (segment_ != nullptr) {
        S3ATTN_TRY(const SegmentRow row,
                   publish_segment(directory_, segment_id_, *segment_, pending_codes_));
        // From here on the file is not ours to unlink: should COMMIT fail half-way, the catalogue
        // may name it after all. If not, the next writer removes it.
        S3ATTN_CHECK(insert_segment(*db_, row));
    }
    if (merged.has_value()) S3ATTN_CHECK(swap_segments(*db_, *merged));
    S3ATTN_CHECK(save_meta(*db_, "next_segment", next_segment_));
    S3ATTN_CHECK(save_meta(*db_, "next_position", static_cast<int64_t>(next_position_)));
    S3ATTN_CHECK(db_->exec("COMMIT"));
    segment_.reset();
    pending_units_ = pending_codes_ = 0;
    if (merged.has_value()) unlink_old_segments(directory_, *merged);
    return {};
}

// What the background has finished, if anything.
Result<std::optional<MergeResult>> Writer::take_merged() {
    if (!merger_.busy() || !merger_.finished()) return std::optional<MergeResult>();
    auto result = merger_.take();
    if (!result.ok()) return joining_failed(result.error());
    return std::optional(std::move(*result));
}

// Hands the background its next job, if there is one and it has none.
Status Writer::start_merge() {
    if (merger_.busy()) return {};
    const Status status = plan_merge_job();
    return status.ok() ? status : joining_failed(status.error());
}

Status Writer::plan_merge_job() {
    S3ATTN_TRY(const auto segments, load_segments(*db_));
    std::optional<std::pair<size_t, size_t>> plan;
    if (removed_) {
        S3ATTN_TRY(const auto rewrite, plan_rewrite(*db_, segments));
        if (rewrite.has_value()) plan = {*rewrite, 1};
        removed_ = rewrite.has_value();
    }
    if (!plan.has_value()) plan = plan_merge(segments);
    if (!plan.has_value()) return {};
    const auto old = std::span(segments).subspan(plan->first, plan->second);
    MergeJob job;
    job.segment_id = next_segment_++;
    job.old.assign(old.begin(), old.end());
    S3ATTN_TRY(job.live, load_live_ranges(*db_, old.front().base, old.back().end()));
    merger_.start(std::move(job));
    return {};
}

Status Writer::settle() {
    S3ATTN_CHECK(usable());
    if (db_->in_transaction()) {
        return make_error(ErrorCode::kInvalidArgument, "commit what was added before settling");
    }
    for (;;) {
        S3ATTN_CHECK(start_merge());
        if (!merger_.busy()) return {};
        const auto merged = merger_.take();
        if (!merged.ok()) return joining_failed(merged.error());
        S3ATTN_CHECK(attempt([&] { return commit_transaction(*merged); }));
    }
}

}  // namespace s3attn
