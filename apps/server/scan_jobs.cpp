#include "scan_jobs.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/timing.h"
#include "store_calls.h"

namespace s3attn::server {
namespace {

constexpr size_t kMostEnded = 200;  // jobs whose end can still be asked for
constexpr size_t kMostNotes = 20;

const char* outcome_of(FileOutcome::Kind kind) {
    switch (kind) {
        case FileOutcome::Kind::kReplaced: return "replaced";
        case FileOutcome::Kind::kUnchanged: return "unchanged";
        case FileOutcome::Kind::kResumed: return "resumed";
        default: return "indexed";
    }
}

}  // namespace

const char* to_string(ScanStatus::State state) {
    switch (state) {
        case ScanStatus::State::kQueued: return "queued";
        case ScanStatus::State::kScanning: return "scanning";
        case ScanStatus::State::kDone: return "done";
        case ScanStatus::State::kFailed: return "failed";
        case ScanStatus::State::kCancelled: return "cancelled";
    }
    return "failed";
}

// Called on the scanning thread, without the lock.
class ScanJobs::Sink final : public ProgressSink {
  public:
    Sink(ScanJobs& jobs, ScanStatus& status) : jobs_(jobs), status_(status) {}
    void update(const Progress& progress) override {
        const std::lock_guard lock(jobs_.mutex_);
        status_.progress = progress;
        if (first_done_ == UINT64_MAX) first_done_ = progress.done;
        const uint64_t here = progress.done - std::min(progress.done, first_done_);
        if (here > 0 && progress.total >= progress.done) {
            status_.eta_s = watch_.seconds() * static_cast<double>(progress.total - progress.done) /
                            static_cast<double>(here);
        }
        jobs_.change(status_);
    }
    void note(const std::string& message) override {
        const std::lock_guard lock(jobs_.mutex_);
        if (status_.notes.size() < kMostNotes) status_.notes.push_back(message);
        jobs_.change(status_);
    }

  private:
    ScanJobs& jobs_;
    ScanStatus& status_;
    Stopwatch watch_;
    uint64_t first_done_ = UINT64_MAX;  // a resumed document does not start at 0
};

ScanJobs::ScanJobs(const EngineOptions& engine, const IndexOptions& index, size_t most_waiting,
                   std::function<void(uint64_t)> on_scanned)
    : engine_options_(engine),
      index_options_(index),
      most_waiting_(most_waiting),
      on_scanned_(std::move(on_scanned)),
      thread_([this] { run(); }) {}

void ScanJobs::change(ScanStatus& status) {
    ++status.version;
    changed_.notify_all();
}

bool ScanJobs::has_room() const {
    const std::lock_guard lock(mutex_);
    const bool idle = !running_ && waiting_.empty();
    return !stopped_ && (idle || waiting_.size() < most_waiting_);
}

std::optional<ScanStatus> ScanJobs::submit(const ScanRequest& request, bool forced) {
    const std::lock_guard lock(mutex_);
    if (stopped_ || (!forced && running_ && waiting_.size() >= most_waiting_)) return {};
    auto job = std::make_shared<Job>();
    job->request = request;
    job->cancel = std::make_shared<CancelToken>();
    job->status.id = next_id_++;
    job->status.store = request.store_name;
    job->status.name = request.name;
    jobs_[job->status.id] = job;
    waiting_.push_back(job);
    forget_old();
    change(job->status);
    return job->status;
}

void ScanJobs::forget_old() {
    size_t ended = 0;
    for (const auto& [id, job] : jobs_) ended += job->status.ended();
    for (auto it = jobs_.begin(); it != jobs_.end() && ended > kMostEnded;) {
        if (it->second->status.ended()) {
            it = jobs_.erase(it);
            --ended;
        } else {
            ++it;
        }
    }
}

std::optional<ScanStatus> ScanJobs::status(uint64_t id) const {
    const std::lock_guard lock(mutex_);
    const auto found = jobs_.find(id);
    if (found == jobs_.end()) return {};
    return found->second->status;
}

std::vector<ScanStatus> ScanJobs::all() const {
    const std::lock_guard lock(mutex_);
    std::vector<ScanStatus> all;
    for (const auto& [id, job] : jobs_) all.push_back(job->status);
    return all;
}

std::optional<ScanStatus> ScanJobs::wait(uint64_t id, uint64_t seen, int time_ms) const {
    std::unique_lock lock(mutex_);
    const auto found = jobs_.find(id);
    if (found == jobs_.end()) return {};
    const std::shared_ptr<Job> job = found->second;
    changed_.wait_for(lock, std::chrono::milliseconds(time_ms),
                      [&] { return job->status.version != seen; });
    return job->status;
}

bool ScanJobs::cancel(uint64_t id) {
    const std::lock_guard lock(mutex_);
    const auto found = jobs_.find(id);
    if (found == jobs_.end() || found->second->status.ended()) return false;
    const std::shared_ptr<Job>& job = found->second;
    job->wanted_gone = true;
    job->cancel->cancel();
    if (std::erase(waiting_, job) > 0) {
        job->status.state = ScanStatus::State::kCancelled;
        ::unlink(job->request.file.c_str());
        change(job->status);
    }
    return true;
}

Result<DocumentInfo> ScanJobs::remove(const std::string& store_path, DocumentId doc_id) {
    auto removal = std::make_shared<Removal>(Removal{store_path, doc_id, {}});
    std::unique_lock lock(mutex_);
    if (stopped_) return make_error(ErrorCode::kCancelled, "the server is shutting down");
    removals_.push_back(removal);
    if (running_) running_->cancel->cancel();
    changed_.notify_all();
    changed_.wait(lock, [&] { return removal->result.has_value(); });
    return *removal->result;
}

size_t ScanJobs::waiting() const {
    const std::lock_guard lock(mutex_);
    return waiting_.size();
}

size_t ScanJobs::running() const {
    const std::lock_guard lock(mutex_);
    return running_ ? 1 : 0;
}

// A document that was removed while it waited, or stepped aside, does not come back.
void ScanJobs::forget_file(const std::string& file) {
    std::erase_if(waiting_, [&](const std::shared_ptr<Job>& job) {
        if (job->request.file != file) return false;
        job->status.state = ScanStatus::State::kCancelled;
        change(job->status);
        return true;
    });
}

void ScanJobs::run_removals(std::unique_lock<std::mutex>& lock) {
    while (!removals_.empty()) {
        const std::shared_ptr<Removal> removal = removals_.front();
        removals_.pop_front();
        lock.unlock();
        auto result = remove_from(removal->store_path, removal->doc_id);
        lock.lock();
        if (result.ok()) forget_file(result->path);
        removal->result = std::move(result);
        changed_.notify_all();
    }
}

void ScanJobs::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return stopped_ || !waiting_.empty() || !removals_.empty(); });
        run_removals(lock);
        if (stopped_) return;
        if (waiting_.empty()) continue;
        const std::shared_ptr<Job> job = waiting_.front();
        waiting_.pop_front();
        scan(lock, job);
    }
}

void ScanJobs::scan(std::unique_lock<std::mutex>& lock, const std::shared_ptr<Job>& job) {
    running_ = job;
    job->cancel = std::make_shared<CancelToken>();
    job->status.state = ScanStatus::State::kScanning;
    change(job->status);
    const auto cancel = job->cancel;
    lock.unlock();
    const auto index = [&]() -> Result<IndexReport> {
        if (!engine_) {
            S3ATTN_TRY(engine_, Engine::open(engine_options_));
        }
        Sink sink(*this, job->status);
        return engine_->index(job->request.store_path, {job->request.file}, index_options_, sink,
                              *cancel);
    };
    const Result<IndexReport> report = index();
    if (report.ok()) on_scanned_(report->tokens);
    lock.lock();
    running_.reset();
    if (report.ok()) job->status.tokens += report->tokens;
    const bool stepped_aside = report.ok() && report->cancelled && !job->wanted_gone && !stopped_;
    if (stepped_aside) {
        waiting_.push_front(job);
        run_removals(lock);
        return;
    }
    finish(job, report);
    change(job->status);
}

// What was committed of a new document; of a replacement nobody sees anything yet.
void ScanJobs::drop_partial(const ScanRequest& request) {
    ::unlink(request.file.c_str());
    const auto documents = list_store(request.store_path);
    if (!documents.ok()) return;
    for (const DocumentInfo& document : *documents) {
        if (document.complete || document.path != request.file) continue;
        [[maybe_unused]] const auto removed = remove_from(request.store_path, document.doc_id);
    }
}

void ScanJobs::finish(const std::shared_ptr<Job>& job, const Result<IndexReport>& report) {
    ScanStatus& status = job->status;
    status.eta_s = 0;
    if (!report.ok()) {
        status.state = ScanStatus::State::kFailed;
        status.error = report.error().message;
        return;
    }
    if (report->cancelled) {
        status.state = ScanStatus::State::kCancelled;
        if (!job->wanted_gone) return;  // the server ends: it goes on at the next start
        drop_partial(job->request);
        return;
    }
    for (const FileOutcome& file : report->files) {
        status.doc_id = file.doc_id;
        for (const ReadNote& note : file.notes) {
            if (note.kind != ReadNote::Kind::kUnread || status.notes.size() >= kMostNotes) continue;
            status.notes.push_back("not read: " + note.text());
        }
        if (file.kind == FileOutcome::Kind::kSkipped) {
            status.state = ScanStatus::State::kFailed;
            status.error = file.reason;
            ::unlink(job->request.file.c_str());
            return;
        }
        status.outcome = outcome_of(file.kind);
    }
    status.state = ScanStatus::State::kDone;
}

void ScanJobs::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopped_ = true;
        if (running_) running_->cancel->cancel();
        for (const auto& job : waiting_) {
            job->status.state = ScanStatus::State::kCancelled;
            ++job->status.version;
        }
        waiting_.clear();
        changed_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
    // What came too late for the thread.
    const std::lock_guard lock(mutex_);
    for (const auto& removal : removals_) {
        removal->result = make_error(ErrorCode::kCancelled, "the server is shutting down");
    }
    removals_.clear();
    changed_.notify_all();
}

}  // namespace s3attn::server
