// Progress on standard error: a bar on a terminal, plain lines otherwise.
#pragma once

#include <chrono>
#include <string>

#include "s3attn/progress.h"

namespace s3attn::cli {

class ConsoleProgress final : public ProgressSink {
  public:
    explicit ConsoleProgress(bool quiet);
    ~ConsoleProgress() override;
    void update(const Progress& progress) override;
    void note(const std::string& message) override;
    // Ends the bar so that other output starts on a line of its own.
    void finish();

  private:
    using Clock = std::chrono::steady_clock;
    void draw_bar(const Progress& progress, double eta_seconds);
    void print_line(const Progress& progress, double eta_seconds);

    bool quiet_;
    bool terminal_;
    bool bar_shown_ = false;
    std::string stage_;
    Clock::time_point stage_start_, last_shown_;
};

// "1:05", "12:03:09"; "-" when unknown (negative).
std::string format_duration(double seconds);
// "1,234,567"
std::string group_digits(uint64_t number);

}  // namespace s3attn::cli
