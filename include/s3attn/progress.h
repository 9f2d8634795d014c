// Progress and cancellation: how a long call talks to its caller while it runs.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#pragma GCC visibility push(default)  // the shared library hides all else
namespace s3attn {

// One report of a running stage. `total` is 0 while it is not known.
struct Progress {
    std::string stage;        // "scan", "train sae", ...
    std::string item;         // what is being worked on: a path, a head
    uint64_t done = 0;        // in `unit`s
    uint64_t total = 0;       // in `unit`s
    std::string unit;         // "bytes", "tokens", "steps"
    double tokens_per_s = 0;  // 0 when the stage does not count tokens
};

// Receives reports on the calling thread. Implementations must return quickly.
class ProgressSink {
  public:
    virtual ~ProgressSink() = default;
    virtual void update(const Progress& progress) = 0;
    // A message a person should see (a skipped file, a converted encoding); one line, no newline.
    virtual void note(const std::string& message) = 0;
};

// Set from a signal handler or another thread; polled by long calls between chunks.
// Async-signal-safe (lock-free atomic).
class CancelToken {
  public:
    void cancel() noexcept { cancelled_.store(true, std::memory_order_relaxed); }
    // For the next call, once the one that was cancelled has returned.
    void reset() noexcept { cancelled_.store(false, std::memory_order_relaxed); }
    bool cancelled() const noexcept { return cancelled_.load(std::memory_order_relaxed); }

  private:
    std::atomic<bool> cancelled_{false};
};

}  // namespace s3attn
#pragma GCC visibility pop
