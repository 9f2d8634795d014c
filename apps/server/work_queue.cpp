#include "work_queue.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace s3attn::server {

Result<Engine*> EngineSet::get(const std::string& reader) {
    auto& engine = engines_[reader];
    if (!engine) {
        EngineOptions options = options_;
        options.reader = reader;
        S3ATTN_TRY(engine, Engine::open(options));
    }
    return engine.get();
}

WorkQueue::WorkQueue(size_t threads, size_t waiting, const EngineOptions& options)
    : most_waiting_(waiting), options_(options) {
    for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
}

std::shared_ptr<WorkQueue::Job> WorkQueue::submit(Task task) {
    const std::lock_guard lock(mutex_);
    const size_t busy = running_.size() + waiting_.size();
    if (stopped_ || busy >= threads_.size() + most_waiting_) return nullptr;
    auto job = std::make_shared<Job>();
    job->task = std::move(task);
    waiting_.push_back(job);
    wake_.notify_one();
    return job;
}

void WorkQueue::cancel(const std::shared_ptr<Job>& job) {
    job->cancel.cancel();
    const std::lock_guard lock(mutex_);
    if (std::erase(waiting_, job) > 0) job->dropped = true;
}

size_t WorkQueue::waiting() const {
    const std::lock_guard lock(mutex_);
    return waiting_.size();
}

size_t WorkQueue::running() const {
    const std::lock_guard lock(mutex_);
    return running_.size();
}

void WorkQueue::run() {
    EngineSet engines(options_);
    std::unique_lock lock(mutex_);
    for (;;) {
        wake_.wait(lock, [this] { return stopped_ || !waiting_.empty(); });
        if (waiting_.empty()) return;
        const auto job = std::move(waiting_.front());
        waiting_.pop_front();
        running_.push_back(job);
        lock.unlock();
        job->task(engines, job->cancel);
        lock.lock();
        std::erase(running_, job);
        idle_.notify_all();
    }
}

void WorkQueue::stop(int grace_ms) {
    {
        std::unique_lock lock(mutex_);
        stopped_ = true;
        for (const auto& job : waiting_) job->dropped = true;
        waiting_.clear();
        wake_.notify_all();
        idle_.wait_for(lock, std::chrono::milliseconds(grace_ms),
                       [this] { return running_.empty(); });
        for (const auto& job : running_) job->cancel.cancel();
    }
    for (std::thread& thread : threads_) {
        if (thread.joinable()) thread.join();
    }
}

}  // namespace s3attn::server
