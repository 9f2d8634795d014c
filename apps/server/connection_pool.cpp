#include "connection_pool.h"

#include <system_error>
#include <utility>

namespace s3attn::server {
namespace {

thread_local bool t_refusing = false;

}  // namespace

bool ConnectionPool::refusing() { return t_refusing; }

// With the lock held: false when there is neither a thread for the task nor one to be had.
bool ConnectionPool::has_thread() {
    if (ending_) return false;
    if (idle_ > tasks_.size()) return true;
    if (threads_.size() >= most_) return false;
    try {
        threads_.push_back(start_([this] { run(); }));
        return true;
    } catch (const std::system_error&) {
        return false;  // the system has none left
    }
}

void ConnectionPool::enqueue(std::function<void()> task) {
    {
        const std::lock_guard lock(mutex_);
        if (has_thread()) {
            tasks_.push_back(std::move(task));
            wake_.notify_one();
            return;
        }
    }
    t_refusing = true;
    task();
    t_refusing = false;
}

void ConnectionPool::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        ++idle_;
        wake_.wait(lock, [this] { return ending_ || !tasks_.empty(); });
        --idle_;
        if (tasks_.empty()) return;
        auto task = std::move(tasks_.front());
        tasks_.pop_front();
        lock.unlock();
        task();
        lock.lock();
    }
}

void ConnectionPool::shutdown() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
}

}  // namespace s3attn::server
