// Fork-join over worker threads that sleep between calls.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace s3attn {

// Cores this process may run on (affinity mask respected), at least 1.
uint32_t available_threads();

class ThreadPool {
  public:
    // 0: available_threads(). Fewer where the system has no more.
    explicit ThreadPool(uint32_t threads);
    ~ThreadPool();
    uint32_t size() const;
    // Calls task(i) for i in [0, n), each exactly once, and waits. The calling thread works too. Not
    // reentrant. Of a task that throws (memory ran out) the caller gets the exception, when all
    // threads have stopped; tasks that were not begun are left out then.
    void run(uint32_t n, const std::function<void(uint32_t)>& task);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace s3attn
