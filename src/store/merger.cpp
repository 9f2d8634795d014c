#include "store/merger.h"

#include <unistd.h>

#include <system_error>
#include <utility>

namespace s3attn {

void BackgroundMerger::start(MergeJob job) {
    stop_ = false;
    const auto work = [this](const MergeJob& todo) {
        auto result = run_merge(directory_, shape_, todo, window_bytes_, stop_);
        const std::lock_guard guard(mutex_);
        result_ = std::move(result);
    };
    try {
        thread_ = std::thread(work, job);
    } catch (const std::system_error& error) {
        // No thread to be had: nothing is lost, the job is planned again after the next commit.
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
    if (result.ok() && result->merged.has_value()) {
        ::unlink((directory_ + "/" + result->merged->file).c_str());
    }
}

}  // namespace s3attn
