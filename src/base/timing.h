// Wall-clock timers and the process's memory use.
#pragma once

#include <chrono>
#include <cstdint>

namespace s3attn {

class Stopwatch {
  public:
    double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
    double milliseconds() const { return seconds() * 1e3; }

  private:
    using Clock = std::chrono::steady_clock;
    Clock::time_point start_ = Clock::now();
};

uint64_t peak_rss_bytes();  // largest resident set of this process so far
uint64_t current_rss_bytes();

}  // namespace s3attn
