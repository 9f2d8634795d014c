// Documents on their way into a store: one thread scans them one after the other.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "s3attn/engine.h"
#include "s3attn/result.h"

namespace s3attn::server {

struct ScanStatus {
    enum class State { kQueued, kScanning, kDone, kFailed, kCancelled };
    uint64_t id = 0;
    std::string store;  // name
    std::string name;   // of the document
    State state = State::kQueued;
    Progress progress;
    double eta_s = -1;  // < 0: not known
    DocumentId doc_id;
    std::string outcome;  // "indexed", "replaced", "unchanged", "resumed"; when done
    std::string error;    // when failed
    uint64_t tokens = 0;  // scanned
    std::vector<std::string> notes;
    uint64_t version = 0;  // grows with every change
    bool ended() const { return state > State::kScanning; }
};
const char* to_string(ScanStatus::State state);

struct ScanRequest {
    std::string store_name, store_path;
    std::string name;
    std::string file;  // path of the document
};

class ScanJobs {
  public:
    // `on_scanned` gets the number of tokens of every run of the scanner.
    ScanJobs(const EngineOptions& engine, const IndexOptions& index, size_t most_waiting,
             std::function<void(uint64_t)> on_scanned);
    ~ScanJobs() { stop(); }

    bool has_room() const;
    // Nothing when the queue is full and `forced` is not set.
    std::optional<ScanStatus> submit(const ScanRequest& request, bool forced = false);
    std::optional<ScanStatus> status(uint64_t id) const;
    std::vector<ScanStatus> all() const;  // oldest first
    // The status once its version differs from `seen`, or after `time_ms`.
    std::optional<ScanStatus> wait(uint64_t id, uint64_t seen, int time_ms) const;
    // False when there is no such job, or it has ended.
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
    };
    struct Removal {
        std::string store_path;
        DocumentId doc_id;
        std::optional<Result<DocumentInfo>> result;
    };

    void run();
    void scan(std::unique_lock<std::mutex>& lock, const std::shared_ptr<Job>& job);
    void finish(const std::shared_ptr<Job>& job, const Result<IndexReport>& report);
    void run_removals(std::unique_lock<std::mutex>& lock);
    void forget_file(const std::string& file);
    static void drop_partial(const ScanRequest& request);
    void change(ScanStatus& status);
    void forget_old();

    const EngineOptions engine_options_;
    const IndexOptions index_options_;
    const size_t most_waiting_;
    const std::function<void(uint64_t)> on_scanned_;
    std::unique_ptr<Engine> engine_;  // of the scanning thread
    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    std::map<uint64_t, std::shared_ptr<Job>> jobs_;
    std::deque<std::shared_ptr<Job>> waiting_;
    std::shared_ptr<Job> running_;
    std::deque<std::shared_ptr<Removal>> removals_;
    uint64_t next_id_ = 1;
    bool stopped_ = false;
    std::thread thread_;
};

}  // namespace s3attn::server
