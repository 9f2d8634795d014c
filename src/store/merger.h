// Joins segments on a thread of its own. It only reads segments and writes a new one: the writer
// plans the job before, and names the result in a transaction of its own after.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "s3attn/result.h"
#include "store/compact.h"

namespace s3attn {

// Used by one thread, the writer's.
class BackgroundMerger {
  public:
    // `window_bytes`: most bytes of segments held mapped while they are read.
    BackgroundMerger(std::string directory, const StoreShape& shape, uint64_t window_bytes)
        : directory_(std::move(directory)), shape_(shape), window_bytes_(window_bytes) {}
    ~BackgroundMerger() { abandon(); }
    BackgroundMerger(const BackgroundMerger&) = delete;
    BackgroundMerger& operator=(const BackgroundMerger&) = delete;

    bool busy() const { return thread_.joinable(); }  // from start() until take()
    void start(MergeJob job);                         // not busy
    bool finished();                                  // take() would not wait
    Result<MergeResult> take();                       // waits; busy
    // Stops a job and removes what it wrote.
    void abandon();

  private:
    std::string directory_;
    StoreShape shape_;
    uint64_t window_bytes_;
    std::thread thread_;
    std::atomic<bool> stop_{false};
    std::mutex mutex_;
    std::optional<Result<MergeResult>> result_;  // guarded by mutex_
};

}  // namespace s3attn
