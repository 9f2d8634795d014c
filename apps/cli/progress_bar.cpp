#include "progress_bar.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/utf8.h"

namespace s3attn::cli {
namespace {

constexpr auto kBarInterval = std::chrono::milliseconds(100);
constexpr auto kLineInterval = std::chrono::seconds(5);

int terminal_width() {
    winsize size{};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20) return size.ws_col;
    return 80;
}

std::string describe(const Progress& progress, double eta_seconds) {
    std::string text;
    if (progress.tokens_per_s > 0) {
        text += group_digits(static_cast<uint64_t>(progress.tokens_per_s)) + " tokens/s  ";
    }
    if (progress.total > 0) text += "ETA " + format_duration(eta_seconds);
    return text;
}

// Cuts to `width` columns at a character border (columns are counted as code points).
std::string clip(const std::string& text, size_t width) {
    size_t columns = 0, i = 0;
    while (i < text.size() && columns < width) {
        ++i;
        while (i < text.size() && utf8_continues(text[i])) ++i;
        ++columns;
    }
    return text.substr(0, i);
}

}  // namespace

std::string format_duration(double seconds) {
    if (seconds < 0) return "-";
    const auto total = static_cast<long>(seconds + 0.5);
    if (total >= 3600) {
        return fmt::format("{}:{:02}:{:02}", total / 3600, total / 60 % 60, total % 60);
    }
    return fmt::format("{}:{:02}", total / 60, total % 60);
}

std::string group_digits(uint64_t number) {
    std::string digits = std::to_string(number);
    for (int i = static_cast<int>(digits.size()) - 3; i > 0; i -= 3) {
        digits.insert(static_cast<size_t>(i), ",");
    }
    return digits;
}

ConsoleProgress::ConsoleProgress(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO)) {}

ConsoleProgress::~ConsoleProgress() { finish(); }

void ConsoleProgress::update(const Progress& progress) {
    if (quiet_) return;
    const auto now = Clock::now();
    if (progress.stage != stage_) {
        finish();
        stage_ = progress.stage;
        stage_start_ = now;
        last_shown_ = terminal_ ? Clock::time_point{} : now;
    }
    const bool complete = progress.total > 0 && progress.done >= progress.total;
    if (terminal_) {
        if (now - last_shown_ < kBarInterval && !complete) return;
    } else if (now - last_shown_ < kLineInterval) {
        return;
    }
    last_shown_ = now;
    const double elapsed = std::chrono::duration<double>(now - stage_start_).count();
    double eta = -1;
    if (progress.done > 0 && progress.total > progress.done) {
        const double share =
            static_cast<double>(progress.done) / static_cast<double>(progress.total);
        eta = elapsed * (1 - share) / share;
    } else if (complete) {
        eta = 0;
    }
    if (terminal_) {
        draw_bar(progress, eta);
    } else {
        print_line(progress, eta);
    }
}

void ConsoleProgress::draw_bar(const Progress& progress, double eta_seconds) {
    constexpr size_t kBarWidth = 24;
    std::string bar;
    if (progress.total > 0) {
        const double share =
            std::min(1.0, static_cast<double>(progress.done) / static_cast<double>(progress.total));
        const auto filled = static_cast<size_t>(share * kBarWidth);
        bar = fmt::format("[{}{}] {:3.0f} %  ", std::string(filled, '#'),
                          std::string(kBarWidth - filled, '.'), share * 100);
    } else {
        bar = group_digits(progress.done) + " " + progress.unit + "  ";
    }
    std::string line = progress.stage + " " + bar + describe(progress, eta_seconds);
    if (!progress.item.empty()) line += "  " + progress.item;
    line = clip(line, static_cast<size_t>(terminal_width() - 1));
    std::fprintf(stderr, "\r\x1b[K%s", line.c_str());
    std::fflush(stderr);
    bar_shown_ = true;
}

void ConsoleProgress::print_line(const Progress& progress, double eta_seconds) {
    std::string amount = group_digits(progress.done);
    if (progress.total > 0) amount += " of " + group_digits(progress.total);
    std::fprintf(stderr, "%s: %s %s  %s  %s\n", progress.stage.c_str(), amount.c_str(),
                 progress.unit.c_str(), describe(progress, eta_seconds).c_str(),
                 progress.item.c_str());
    std::fflush(stderr);
}

void ConsoleProgress::note(const std::string& message) {
    if (quiet_) return;
    finish();
    std::fprintf(stderr, "note: %s\n", message.c_str());
}

void ConsoleProgress::finish() {
    if (!bar_shown_) return;
    std::fputc('\n', stderr);
    bar_shown_ = false;
}

}  // namespace s3attn::cli
