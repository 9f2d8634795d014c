#include "base/parallel.h"

#include <sched.h>

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace s3attn {

uint32_t available_threads() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        const int count = CPU_COUNT(&set);
        if (count > 0) return static_cast<uint32_t>(count);
    }
    return std::max(1u, std::thread::hardware_concurrency());
}

struct ThreadPool::Impl {
    std::mutex mutex;
    std::condition_variable wake, finished;
    const std::function<void(uint32_t)>* task = nullptr;
    uint32_t n_tasks = 0;
    std::atomic<uint32_t> next{0};
    uint32_t working = 0;
    uint64_t generation = 0;
    bool stopping = false;
    std::vector<std::thread> workers;
    std::exception_ptr thrown;  // by the first task that did

    void take_tasks() {
        try {
            for (uint32_t i = next.fetch_add(1); i < n_tasks; i = next.fetch_add(1)) (*task)(i);
        } catch (...) {
            next.store(n_tasks);
            const std::lock_guard lock(mutex);
            if (!thrown) thrown = std::current_exception();
        }
    }

    void work() {
        uint64_t seen = 0;
        std::unique_lock lock(mutex);
        for (;;) {
            wake.wait(lock, [&] { return stopping || generation != seen; });
            if (stopping) return;
            seen = generation;
            lock.unlock();
            take_tasks();
            lock.lock();
            if (--working == 0) finished.notify_one();
        }
    }
};

ThreadPool::ThreadPool(uint32_t threads) : impl_(std::make_unique<Impl>()) {
    if (threads == 0) threads = available_threads();
    // First, so that nothing but the start of a thread can fail while others run already.
    impl_->workers.reserve(threads);
    try {
        for (uint32_t i = 1; i < threads; ++i) {
            impl_->workers.emplace_back([impl = impl_.get()] { impl->work(); });
        }
    } catch (const std::exception&) {
        // The system gives no more threads, or no memory for one: those there are do the work, if
        // need be the caller's.
    }
}

ThreadPool::~ThreadPool() {
    {
        std::lock_guard lock(impl_->mutex);
        impl_->stopping = true;
    }
    impl_->wake.notify_all();
    for (std::thread& worker : impl_->workers) worker.join();
}

uint32_t ThreadPool::size() const { return static_cast<uint32_t>(impl_->workers.size()) + 1; }

void ThreadPool::run(uint32_t n, const std::function<void(uint32_t)>& task) {
    if (n == 0) return;
    {
        std::lock_guard lock(impl_->mutex);
        impl_->task = &task;
        impl_->n_tasks = n;
        impl_->next.store(0);
        impl_->working = static_cast<uint32_t>(impl_->workers.size());
        ++impl_->generation;
    }
    impl_->wake.notify_all();
    impl_->take_tasks();
    std::unique_lock lock(impl_->mutex);
    impl_->finished.wait(lock, [&] { return impl_->working == 0; });
    if (impl_->thrown) std::rethrow_exception(std::exchange(impl_->thrown, nullptr));
}

}  // namespace s3attn
