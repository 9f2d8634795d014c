#include "text/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <string_view>

#include "base/files.h"
#include "text/source_file.h"

namespace s3attn::text {
namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t kMostMessages = 4096;

struct Pipe {
    Descriptor read, write;
};

Result<Pipe> make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("cannot make a pipe for", "a converter");
    return Pipe{Descriptor(ends[0]), Descriptor(ends[1])};
}

void limit_resource(__rlimit_resource resource, uint64_t value) {
    struct rlimit limit {};
    limit.rlim_cur = limit.rlim_max = static_cast<rlim_t>(value);
    ::setrlimit(resource, &limit);
}

// In the child, after fork: async-signal-safe calls only.
[[noreturn]] void become(char* const* arguments, int input, int output, int messages,
                         const ChildLimits& limits) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    limit_resource(RLIMIT_AS, limits.memory_bytes);
    limit_resource(RLIMIT_CPU, uint64_t{limits.seconds} + 1);
    limit_resource(RLIMIT_CORE, 0);
    // Out of the way first: a caller that runs without standard streams has pipes in 0 to 2.
    input = ::fcntl(input, F_DUPFD_CLOEXEC, 3);
    output = ::fcntl(output, F_DUPFD_CLOEXEC, 3);
    messages = ::fcntl(messages, F_DUPFD_CLOEXEC, 3);
    if (::dup2(input, 0) < 0 || ::dup2(output, 1) < 0 || ::dup2(messages, 2) < 0) ::_exit(127);
    ::execv(arguments[0], arguments);
    ::_exit(127);
}

int wait_for(pid_t pid) {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

class Pump {
  public:
    Pump(Pipe output, Pipe messages, int sink, const ChildLimits& limits, ChildOutcome& outcome)
        : output_(std::move(output)),
          messages_(std::move(messages)),
          sink_(sink),
          limits_(limits),
          outcome_(outcome) {}

    // Until both pipes are closed or a limit is reached.
    Status run() {
        const auto deadline = Clock::now() + std::chrono::seconds(limits_.seconds);
        while (output_.read.open() || messages_.read.open()) {
            const auto left =
                std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
            if (left.count() <= 0) {
                outcome_.timed_out = true;
                return {};
            }
            std::array<pollfd, 2> polled{
                {{output_.read.get(), POLLIN, 0}, {messages_.read.get(), POLLIN, 0}}};
            const int wait = static_cast<int>(std::min<int64_t>(left.count(), 60000));
            if (::poll(polled.data(), polled.size(), wait) < 0 && errno != EINTR) {
                return errno_error("cannot wait for", "a converter");
            }
            if (polled[0].revents != 0) S3ATTN_CHECK(drain(output_.read, true));
            if (outcome_.output_limit) return {};
            if (polled[1].revents != 0) S3ATTN_CHECK(drain(messages_.read, false));
        }
        return {};
    }

  private:
    Status drain(Descriptor& from, bool is_output) {
        const ssize_t got = ::read(from.get(), buffer_.data(), buffer_.size());
        if (got < 0 && errno == EINTR) return {};
        if (got <= 0) {
            from.close();
            return {};
        }
        const std::string_view bytes(buffer_.data(), static_cast<size_t>(got));
        if (!is_output) {
            const size_t room = kMostMessages - outcome_.messages.size();
            outcome_.messages.append(bytes.substr(0, room));
            return {};
        }
        written_ += bytes.size();
        outcome_.output_limit = written_ > limits_.output_bytes;
        return outcome_.output_limit ? Status{} : write_all(sink_, bytes, "a converter's output");
    }

    Pipe output_, messages_;
    int sink_;
    const ChildLimits& limits_;
    ChildOutcome& outcome_;
    uint64_t written_ = 0;
    std::array<char, 1 << 16> buffer_{};
};

}  // namespace

std::string find_program(const std::string& program) {
    const char* variable = std::getenv("PATH");
    std::string_view path = variable != nullptr ? variable : "/usr/local/bin:/usr/bin:/bin";
    while (!path.empty()) {
        const size_t colon = std::min(path.find(':'), path.size());
        const std::string candidate = std::string(path.substr(0, colon)) + "/" + program;
        if (colon > 0 && ::access(candidate.c_str(), X_OK) == 0) return candidate;
        path.remove_prefix(std::min(colon + 1, path.size()));
    }
    return {};
}

Result<ChildOutcome> run_child(const std::vector<std::string>& arguments, int input, int output,
                               const ChildLimits& limits) {
    std::vector<char*> argv;
    for (const std::string& argument : arguments) {
        argv.push_back(const_cast<char*>(argument.c_str()));
    }
    argv.push_back(nullptr);
    S3ATTN_TRY(Pipe out, make_pipe());
    S3ATTN_TRY(Pipe err, make_pipe());
    const pid_t pid = ::fork();
    if (pid < 0) return errno_error("cannot start", arguments[0]);
    if (pid == 0) become(argv.data(), input, out.write.get(), err.write.get(), limits);
    out.write.close();
    err.write.close();
    ChildOutcome outcome;
    const Status pumped = Pump(std::move(out), std::move(err), output, limits, outcome).run();
    const bool cut_short = outcome.timed_out || outcome.output_limit || !pumped.ok();
    if (cut_short) ::kill(pid, SIGKILL);
    const int status = wait_for(pid);
    if (!pumped.ok()) return pumped.error();
    if (WIFEXITED(status)) outcome.exit_code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) outcome.signal = WTERMSIG(status);
    return outcome;
}

}  // namespace s3attn::text
