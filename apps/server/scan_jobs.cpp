#include "scan_jobs.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/timing.h"

namespace s3attn::server {
namespace {

using State = ScanStatus::State;
constexpr size_t kMostEnded = 200;  // jobs whose end can still be asked for
constexpr size_t kMostNotes = 100;

// Between two commits, or before it began: while it waited for a model, say.
bool was_cancelled(const Result<IndexReport>& report) {
    return report.ok() ? report->cancelled : report.error().code == ErrorCode::kCancelled;
}

Error queue_stopped() { return make_error(ErrorCode::kCancelled, "the server is shutting down"); }

// Where there are too many, that is the last that is said.
void add_note(ScanStatus& status, const std::string& message) {
    if (status.notes.size() < kMostNotes) status.notes.push_back(message);
    if (status.notes.size() == kMostNotes) status.notes.push_back("and more");
}

}  // namespace

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
        add_note(status_, message);
        jobs_.change(status_);
    }

  private:
    ScanJobs& jobs_;
    ScanStatus& status_;
    Stopwatch watch_;
    uint64_t first_done_ = UINT64_MAX;  // a resumed document does not start at 0
};

ScanJobs::ScanJobs(std::unique_ptr<ScanWork> work, size_t most_waiting,
                   std::function<void(uint64_t)> on_scanned)
    : work_(std::move(work)),
      most_waiting_(most_waiting),
      on_scanned_(std::move(on_scanned)),
      thread_([this] { run(); }) {}

void ScanJobs::change(ScanStatus& status) {
    ++status.version;
    changed_.notify_all();
}

void ScanJobs::end(ScanStatus& status, State state) {
    status.state = state;
    status.eta_s = 0;
    change(status);
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
    job->begun = request.upload && request.upload->in_place();
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
    Lock lock(mutex_);
    const auto found = jobs_.find(id);
    if (found == jobs_.end()) return {};
    const std::shared_ptr<Job> job = found->second;
    changed_.wait_for(lock, std::chrono::milliseconds(time_ms),
                      [&] { return job->status.version != seen; });
    return job->status;
}

bool ScanJobs::cancel(uint64_t id) {
    Lock lock(mutex_);
    const auto found = jobs_.find(id);
    if (found == jobs_.end() || found->second->status.ended()) return false;
    const std::shared_ptr<Job> job = found->second;
    job->wanted_gone = true;
    job->cancel->cancel();
    const auto place = std::find(waiting_.begin(), waiting_.end(), job);
    if (place == waiting_.end()) return true;  // it runs, and its thread looks at the token
    waiting_.erase(place);
    if (job->begun) {  // there is something to undo in the store: next
        waiting_.push_front(job);
        changed_.notify_all();
        return true;
    }
    lock.unlock();
    if (job->request.upload) job->request.upload->withdraw();
    lock.lock();
    end(job->status, State::kCancelled);
    return true;
}

Result<DocumentInfo> ScanJobs::remove(const std::string& store_path, DocumentId doc_id) {
    auto removal = std::make_unique<Removal>();
    removal->store_path = store_path;
    removal->doc_id = doc_id;
    auto result = removal->result.get_future();
    {
        const std::lock_guard lock(mutex_);
        if (stopped_) return queue_stopped();
        removals_.push_back(std::move(removal));
        if (running_) running_->cancel->cancel();
        changed_.notify_all();
    }
    return result.get();
}

size_t ScanJobs::waiting() const {
    const std::lock_guard lock(mutex_);
    return waiting_.size();
}

size_t ScanJobs::running() const {
    const std::lock_guard lock(mutex_);
    return running_ ? 1 : 0;
}

void ScanJobs::run() {
    Lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return stopped_ || !waiting_.empty() || !removals_.empty(); });
        run_removals(lock);
        if (stopped_) return;
        if (waiting_.empty()) continue;
        const std::shared_ptr<Job> job = waiting_.front();
        waiting_.pop_front();
        if (job->wanted_gone) {
            undo(lock, job, State::kCancelled);
        } else {
            scan(lock, job);
        }
    }
}

void ScanJobs::run_removals(Lock& lock) {
    while (!removals_.empty()) {
        const std::unique_ptr<Removal> removal = std::move(removals_.front());
        removals_.pop_front();
        lock.unlock();
        auto result = work_->remove(removal->store_path, removal->doc_id);
        lock.lock();
        if (result.ok()) after_removal(lock, *removal, *result);
        removal->result.set_value(std::move(result));
    }
}

// A document that was removed while its scan stepped aside does not come back; and where an earlier
// version was removed, its successor goes on without it.
void ScanJobs::after_removal(Lock& lock, const Removal& removal, const DocumentInfo& removed) {
    const auto found = std::find_if(waiting_.begin(), waiting_.end(), [&](const auto& job) {
        return job->begun && job->request.store_path == removal.store_path &&
               job->request.file == removed.path;
    });
    const std::shared_ptr<Job> job = found == waiting_.end() ? nullptr : *found;
    if (job && !removed.complete) waiting_.erase(found);
    lock.unlock();
    if (!job) {
        remove_uploaded(removal.store_path + "/" + kUploadsFolder, removed.path);
    } else if (job->request.upload) {
        removed.complete ? job->request.upload->forget_earlier() : job->request.upload->withdraw();
    }
    lock.lock();
    if (job && !removed.complete) end(job->status, State::kCancelled);
}

void ScanJobs::scan(Lock& lock, const std::shared_ptr<Job>& job) {
    running_ = job;
    job->cancel = std::make_shared<CancelToken>();
    job->status.state = State::kScanning;
    const bool first = !job->begun;
    job->begun = true;
    change(job->status);
    const auto cancel = job->cancel;
    lock.unlock();
    if (first && !job->request.upload) job->had_part = work_->has_part(job->request);
    const Result<IndexReport> report = scan_now(job, *cancel);
    if (report.ok()) on_scanned_(report->tokens);
    lock.lock();
    running_.reset();
    if (report.ok()) job->status.tokens += report->tokens;
    const bool stepped_aside = was_cancelled(report) && !job->wanted_gone && !stopped_;
    if (stepped_aside) {
        waiting_.push_front(job);
        return;
    }
    finish(lock, job, report);
}

Result<IndexReport> ScanJobs::scan_now(const std::shared_ptr<Job>& job, const CancelToken& cancel) {
    if (job->request.upload) S3ATTN_CHECK(job->request.upload->take_place());
    Sink sink(*this, job->status);
    return work_->scan(job->request, sink, cancel);
}

// What stood before the job stands again, as far as it is ours.
void ScanJobs::undo(Lock& lock, const std::shared_ptr<Job>& job, State state) {
    lock.unlock();
    const Status dropped = job->had_part ? Status() : work_->drop_part(job->request);
    // A part that cannot be dropped keeps its file: the next start of the server goes on with it.
    if (dropped.ok() && job->request.upload) job->request.upload->withdraw();
    lock.lock();
    if (!dropped.ok()) {
        std::string& error = job->status.error;
        error += (error.empty() ? "" : "; ") + std::string("what was read of it stays: ") +
                 dropped.error().message;
    }
    end(job->status, state);
}

namespace {

const char* outcome_of(FileOutcome::Kind kind) {
    switch (kind) {
        case FileOutcome::Kind::kReplaced: return "replaced";
        case FileOutcome::Kind::kUnchanged: return "unchanged";
        case FileOutcome::Kind::kResumed: return "resumed";
        case FileOutcome::Kind::kRenamed: return "renamed";
        default: return "indexed";
    }
}

}  // namespace

void ScanJobs::finish(Lock& lock, const std::shared_ptr<Job>& job,
                      const Result<IndexReport>& report) {
    ScanStatus& status = job->status;
    if (was_cancelled(report)) {
        if (job->wanted_gone) return undo(lock, job, State::kCancelled);
        return end(status, State::kCancelled);  // the server ends: it goes on at the next start
    }
    if (!report.ok()) {
        status.error = report.error().message;
        return undo(lock, job, State::kFailed);
    }
    State state = State::kDone;
    for (const FileOutcome& file : report->files) {
        status.doc_id = file.doc_id;
        for (const ReadNote& note : file.notes) {
            // Of the others the scan told while it went on.
            if (note.kind == ReadNote::Kind::kUnread) add_note(status, "not read: " + note.text());
        }
        if (file.kind == FileOutcome::Kind::kSkipped) {
            state = State::kFailed;
            status.error = file.reason;
        } else {
            status.outcome = outcome_of(file.kind);
        }
    }
    lock.unlock();
    if (job->request.upload) {
        state == State::kDone ? job->request.upload->settle() : job->request.upload->withdraw();
    }
    lock.lock();
    end(status, state);
}

void ScanJobs::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopped_ = true;
        if (running_) running_->cancel->cancel();
        for (const auto& job : waiting_) end(job->status, State::kCancelled);
        waiting_.clear();
        changed_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
    // What came too late for the thread.
    const std::lock_guard lock(mutex_);
    for (const auto& removal : removals_) removal->result.set_value(queue_stopped());
    removals_.clear();
}

const char* to_string(ScanStatus::State state) {
    switch (state) {
        case State::kQueued: return "queued";
        case State::kScanning: return "scanning";
        case State::kDone: return "done";
        case State::kFailed: return "failed";
        case State::kCancelled: return "cancelled";
    }
    return "failed";
}

}  // namespace s3attn::server
