#include "mcp_lines.h"

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <list>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace s3attn::server {
namespace {

constexpr size_t kLongestLine = 64 << 20;  // a whole document may be in it
constexpr size_t kMostCalls = 32;          // at a time

// Lines of a descriptor.
class LineReader {
  public:
    enum class Got { kLine, kTooLong, kNothing, kEnd };
    explicit LineReader(int input) : input_(input) {}

    // Waits a moment at most.
    Got next(std::string& line) {
        for (;;) {
            const size_t end = buffer_.find('\n', seen_);
            if (end != std::string::npos) return take(end, end + 1, line);
            seen_ = buffer_.size();
            if (ended_) return buffer_.empty() ? Got::kEnd : take(seen_, seen_, line);
            if (buffer_.size() > kLongestLine) {  // the rest of it is passed over
                buffer_.clear();
                seen_ = 0;
                too_long_ = true;
            }
            pollfd poll{input_, POLLIN, 0};
            if (::poll(&poll, 1, 50) <= 0) return Got::kNothing;
            char bytes[65536];
            const ssize_t got = ::read(input_, bytes, sizeof bytes);
            if (got < 0 && (errno == EINTR || errno == EAGAIN)) return Got::kNothing;
            if (got <= 0) ended_ = true;
            if (got > 0) buffer_.append(bytes, static_cast<size_t>(got));
        }
    }

  private:
    Got take(size_t end, size_t next, std::string& line) {
        line = buffer_.substr(0, end);
        buffer_.erase(0, next);
        seen_ = 0;
        return std::exchange(too_long_, false) ? Got::kTooLong : Got::kLine;
    }

    const int input_;
    std::string buffer_;
    size_t seen_ = 0;  // bytes without a line end
    bool ended_ = false, too_long_ = false;
};

class LineServer {
  public:
    LineServer(Mcp& mcp, std::FILE* output, const CancelToken& cancel)
        : mcp_(mcp), output_(output), cancel_(cancel) {}

    bool run(int input) {
        LineReader reader(input);
        std::string line;
        for (bool more = true; more && !ending();) {
            switch (reader.next(line)) {
                case LineReader::Got::kEnd: more = false; break;
                case LineReader::Got::kNothing: join_ended(); break;
                case LineReader::Got::kTooLong:
                    send(Mcp::parse_error("the line is longer than 64 MiB"));
                    break;
                case LineReader::Got::kLine: take(line); break;
            }
        }
        for (Call& call : calls_) call.thread.join();
        return !broken_;
    }

  private:
    struct Call {
        Json id;
        CancelToken cancelled;
        std::atomic<bool> ended{false};
        std::thread thread;
    };

    bool ending() const { return cancel_.cancelled() || broken_; }

    void send(const Json& message) {
        const std::string text = dump(message) + "\n";
        const std::lock_guard lock(output_mutex_);
        const bool written = std::fwrite(text.data(), 1, text.size(), output_) == text.size() &&
                             std::fflush(output_) == 0;
        if (!written) broken_ = true;
    }

    void take(const std::string& line) {
        if (line.find_first_not_of(" \t\r") == std::string::npos) return;
        Json message;
        try {
            message = Json::parse(line);
        } catch (const Json::exception& error) {
            return send(Mcp::parse_error(error.what()));
        }
        take_cancellation(message);
        if (Mcp::calls_tool(message)) return start(std::move(message));
        if (const auto answer = mcp_.handle(message, {[this] { return !ending(); }})) send(*answer);
    }

    // {"method": "notifications/cancelled", "params": {"requestId": ...}}; also one for what has
    // ended already, which is nobody's fault.
    void take_cancellation(const Json& message) {
        if (!message.is_object() || message.value("method", Json()) != "notifications/cancelled") {
            return;
        }
        const Json params = message.value("params", Json());
        const Json id = params.is_object() ? params.value("requestId", Json()) : Json();
        for (Call& call : calls_) {
            if (!id.is_null() && call.id == id) call.cancelled.cancel();
        }
    }

    void start(Json message) {
        join_ended();
        const Json id = message.is_object() ? message.value("id", Json()) : Json();
        if (calls_.size() >= kMostCalls) {
            return send(Mcp::internal_error(id, "too many calls at a time; try again"));
        }
        calls_.emplace_back();
        Call& call = calls_.back();
        call.id = id;
        try {
            call.thread = std::thread(
                [this, &call, message = std::move(message)] { run_call(call, message); });
        } catch (const std::system_error&) {
            calls_.pop_back();
            send(Mcp::internal_error(id, "no thread is left to do this; try again"));
        }
    }

    void run_call(Call& call, const Json& message) {
        const McpCaller caller{[&] { return !ending() && !call.cancelled.cancelled(); },
                               [&] { return call.cancelled.cancelled(); },
                               [&](const Json& note) {
                                   if (!call.cancelled.cancelled()) send(note);
                               }};
        const auto answer = mcp_.handle(message, caller);
        // Nobody waits for the reply to a request that was taken back.
        if (answer && !call.cancelled.cancelled()) send(*answer);
        call.ended = true;
    }

    void join_ended() {
        for (auto call = calls_.begin(); call != calls_.end();) {
            if (!call->ended) {
                ++call;
                continue;
            }
            call->thread.join();
            call = calls_.erase(call);
        }
    }

    Mcp& mcp_;
    std::FILE* const output_;
    const CancelToken& cancel_;
    std::mutex output_mutex_;
    std::atomic<bool> broken_{false};
    std::list<Call> calls_;
};

}  // namespace

bool serve_mcp_lines(Mcp& mcp, int input, std::FILE* output, const CancelToken& cancel) {
    return LineServer(mcp, output, cancel).run(input);
}

}  // namespace s3attn::server
