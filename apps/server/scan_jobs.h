// Documents on their way into a store: one thread reads them one after the other. This is the
// queue; scan_work.h touches stores, uploads.h owns the files.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "s3attn/result.h"
#include "scan_status.h"
#include "scan_work.h"

namespace s3attn::server {

class ScanJobs {
  public:
    // `on_scanned` gets the number of tokens of every run of the scanner.
    ScanJobs(std::unique_ptr<ScanWork> work, size_t most_waiting,
             std::function<void(uint64_t)> on_scanned);
    ~ScanJobs() { stop(); }

    bool has_room() const;
    // Nothing when the queue is full and `forced` is not set, or after stop().
    std::optional<ScanStatus> submit(const ScanRequest& request, bool forced = false);
    std::optional<ScanStatus> status(uint64_t id) const;
    std::vector<ScanStatus> all() const;  // oldest first
    // The status once its version differs from `seen`, or after `time_ms`.
    std::optional<ScanStatus> wait(uint64_t id, uint64_t seen, int time_ms) const;
    // What stood before the job stands again when it has ended as cancelled. False when there is no
    // such job, or it has ended.
    bool cancel(uint64_t id);
    // Removes a document. A scan under way steps aside for it and goes on from its last commit.
    Result<DocumentInfo> remove(const std::string& store_path, DocumentId doc_id);
    size_t waiting() const;
    size_t running() const;
    // Ends the scan at its next commit point; what is committed is kept. No job is taken after.
    void stop();

  private:
    class Sink;
    struct Job {
        ScanRequest request;
        ScanStatus status;
        std::shared_ptr<CancelToken> cancel;
        bool wanted_gone = false;  // cancelled by a client
        bool begun = false;        // a part of it may be in the store, its file has its place
        bool had_part = false;     // before the job: not ours to drop
    };
    struct Removal {
        std::string store_path;
        DocumentId doc_id;
        std::promise<Result<DocumentInfo>> result;
    };
    using Lock = std::unique_lock<std::mutex>;

    // On the scanning thread. Those that take the lock give it up while they work on the store.
    void run();
    void scan(Lock& lock, const std::shared_ptr<Job>& job);
    Result<IndexReport> scan_now(const std::shared_ptr<Job>& job, const CancelToken& cancel);
    void finish(Lock& lock, const std::shared_ptr<Job>& job, const Result<IndexReport>& report);
    void undo(Lock& lock, const std::shared_ptr<Job>& job, ScanStatus::State state);
    void run_removals(Lock& lock);
    void after_removal(Lock& lock, const Removal& removal, const DocumentInfo& removed);

    void end(ScanStatus& status, ScanStatus::State state);
    void change(ScanStatus& status);
    void forget_old();

    const std::unique_ptr<ScanWork> work_;
    const size_t most_waiting_;
    const std::function<void(uint64_t)> on_scanned_;
    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    std::map<uint64_t, std::shared_ptr<Job>> jobs_;
    std::deque<std::shared_ptr<Job>> waiting_;
    std::shared_ptr<Job> running_;
    std::deque<std::unique_ptr<Removal>> removals_;
    uint64_t next_id_ = 1;
    bool stopped_ = false;
    std::thread thread_;
};

}  // namespace s3attn::server
