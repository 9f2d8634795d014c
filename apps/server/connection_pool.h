// A thread per connection, up to a number; a connection more is refused at once.
#pragma once

#include <httplib.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace s3attn::server {

class ConnectionPool final : public httplib::TaskQueue {
  public:
    // Makes a thread; throws std::system_error when the system has none left.
    using StartThread = std::function<std::thread(std::function<void()>)>;
    explicit ConnectionPool(
        size_t most,
        StartThread start = [](std::function<void()> run) { return std::thread(std::move(run)); })
        : most_(most), start_(std::move(start)) {}
    ~ConnectionPool() override { shutdown(); }
    // Runs `task` on a thread of its own, or here and now with refusing() set.
    void enqueue(std::function<void()> task) override;
    void shutdown() override;

    // For the task that runs on this thread: there was no thread left for it.
    static bool refusing();

  private:
    void run();
    bool has_thread();

    const size_t most_;
    const StartThread start_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::function<void()>> tasks_;
    std::vector<std::thread> threads_;
    size_t idle_ = 0;
    bool ending_ = false;
};

}  // namespace s3attn::server
