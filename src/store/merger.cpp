#include "store/merger.h"

#include <unistd.h>

#include <utility>

#include "base/guarded.h"

namespace s3attn {

void BackgroundMerger::start(MergeJob job) {
    stop_ = false;
    const auto work = [this](const MergeJob& todo) {
        auto result =
            guarded([&] { return run_merge(directory_, shape_, todo, window_bytes_, stop_); });
        const std::lock_guard guard(mutex_);
        result_ = std::move(result);
    };
    try {
        thread_ = std::thread(work, std::move(job));
    } catch (...) {
        // No thread or memory to be had: nothing is lost, and after the next commit the job is
        // planned again.
        return;
    }
}

bool BackgroundMerger::finished() {
    const std::lock_guard guard(mutex_);
    return result_.has_value();
}

Result<MergeResult> BackgroundMerger::take() {
    thread_.join();
    auto result = std::move(*result_);
    result_.reset();
    return result;
}

void BackgroundMerger::abandon() {
    if (!busy()) return;
    stop_ = true;
    const auto result = take();
    if (!result.ok() || !result->merged.has_value()) return;
    // Without memory even for its name it stays, and the next writer removes it.
    [[maybe_unused]] const Status ignored = guarded([&]() -> Status {
        ::unlink((directory_ + "/" + result->merged->file).c_str());
        return {};
    });
}

}  // namespace s3attn
