// A bounded queue, first come, first served, with threads that do the work. Each thread has its own
// engines, because one Engine serves one call at a time.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "s3attn/engine.h"
#include "s3attn/progress.h"
#include "s3attn/result.h"

namespace s3attn::server {

// The engines of one thread, one per reader, opened when first asked for.
class EngineSet {
  public:
    explicit EngineSet(const EngineOptions& options) : options_(options) {}
    // `reader` empty: the scanning model answers.
    Result<Engine*> get(const std::string& reader);

  private:
    EngineOptions options_;
    std::map<std::string, std::unique_ptr<Engine>> engines_;
};

class WorkQueue {
  public:
    // Looks at the token now and then.
    using Task = std::function<void(EngineSet&, const CancelToken&)>;
    struct Job {
        Task task;
        CancelToken cancel;
        std::atomic<bool> dropped{false};  // its task will never run
    };

    // `waiting`: most jobs that wait for a thread.
    WorkQueue(size_t threads, size_t waiting, const EngineOptions& options);
    ~WorkQueue() { stop(); }

    // Null when the queue is full, or stopped.
    std::shared_ptr<Job> submit(Task task);
    // Sets the job's token; a job that waits is dropped, and its task never runs.
    void cancel(const std::shared_ptr<Job>& job);
    size_t waiting() const;
    size_t running() const;
    // Drops what waits, lets what runs end for `grace_ms`, then cancels it; no job is taken after.
    void stop(int grace_ms = 0);

  private:
    void run();

    const size_t most_waiting_;
    const EngineOptions options_;
    mutable std::mutex mutex_;
    std::condition_variable wake_, idle_;
    std::deque<std::shared_ptr<Job>> waiting_;
    std::vector<std::shared_ptr<Job>> running_;
    bool stopped_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace s3attn::server
