#include "connection.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "chunked_body.h"
#include "closer.h"
#include "connection_pool.h"
#include "errors.h"
#include "request_head.h"

namespace s3attn::server {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// The bytes of one connection, as cpp-httplib wants to read and write them.
class Connection final : public httplib::Stream {
  public:
    Connection(socket_t socket, const ConnectionLimits& limits, const std::atomic<bool>& stopping)
        : socket_(socket), limits_(limits), stopping_(stopping) {}

    enum class Head { kComplete, kClosed, kTooLarge, kTooSlow };
    // Reads the next request's head into a buffer, from which read() then serves it.
    Head read_head();
    std::string_view head() const { return std::string_view(buffer_).substr(0, head_bytes_); }
    // read() gives `framing.head`, then the body without its chunks.
    void begin_request(const Framing& framing);
    // The bytes of this request are no longer needed; those of a next one stay.
    void end_request() { buffer_.erase(0, std::exchange(at_, 0)); }
    bool read_to_the_end() const { return head_at_ == head_.size() && body_ended(); }
    bool peer_gone() const;
    // See connection.h.
    bool limit_body(uint64_t most);
    const std::optional<BodyProblem>& body_problem() const { return problem_; }

    bool is_readable() const override { return true; }
    bool is_writable() const override { return wait(POLLOUT, limits_.stall_time) && !peer_gone(); }
    ssize_t read(char* to, size_t size) override;
    ssize_t write(const char* from, size_t size) override;
    void get_remote_ip_and_port(std::string& ip, int& port) const override {
        address(::getpeername, ip, port);
    }
    void get_local_ip_and_port(std::string& ip, int& port) const override {
        address(::getsockname, ip, port);
    }
    socket_t socket() const override { return socket_; }

  private:
    template <class Get>
    void address(Get get, std::string& ip, int& port) const;
    bool wait(short events, milliseconds time) const;
    bool more_into_buffer();
    bool body_ended() const {
        return chunks_ ? chunks_->state() == ChunkedBody::State::kDone : body_left_ == 0;
    }
    bool wait_for_body();
    ssize_t read_body(char* to, size_t size);
    ssize_t read_chunks(char* to, size_t size);
    ssize_t fail_body(int status, const char* message);

    const socket_t socket_;
    const ConnectionLimits& limits_;
    const std::atomic<bool>& stopping_;
    std::string buffer_;  // received
    size_t at_ = 0;       // of it, given to cpp-httplib
    size_t head_bytes_ = 0;
    std::string head_;  // as cpp-httplib gets it
    size_t head_at_ = 0;
    uint64_t body_left_ = 0, body_read_ = 0, body_most_ = 0;
    std::optional<ChunkedBody> chunks_;
    std::optional<BodyProblem> problem_;
    Clock::time_point body_start_;
};

namespace {

thread_local Connection* t_connection = nullptr;

}  // namespace

bool limit_body(uint64_t most) { return t_connection == nullptr || t_connection->limit_body(most); }

std::optional<BodyProblem> body_problem() {
    return t_connection == nullptr ? std::nullopt : t_connection->body_problem();
}

bool client_has_gone() { return t_connection != nullptr && t_connection->peer_gone(); }

template <class Get>
void Connection::address(Get get, std::string& ip, int& port) const {
    sockaddr_storage storage{};
    socklen_t length = sizeof storage;
    if (get(socket_, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return;
    char text[INET6_ADDRSTRLEN] = {};
    if (storage.ss_family == AF_INET) {
        const auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage);
        ::inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
        port = ntohs(v4->sin_port);
    } else if (storage.ss_family == AF_INET6) {
        const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
        ::inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
        port = ntohs(v6->sin6_port);
    }
    ip = text;
}

bool Connection::wait(short events, milliseconds time) const {
    const auto deadline = Clock::now() + time;
    for (;;) {
        const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
        if (left.count() < 0) return false;
        pollfd poll{socket_, events, 0};
        const int ready = ::poll(&poll, 1, static_cast<int>(left.count()));
        if (ready > 0) return true;
        if (ready == 0 || errno != EINTR) return false;
    }
}

bool Connection::peer_gone() const {
    pollfd poll{socket_, POLLRDHUP, 0};
    return ::poll(&poll, 1, 0) > 0 && (poll.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

bool Connection::more_into_buffer() {
    char bytes[4096];
    ssize_t got;
    do {
        got = ::recv(socket_, bytes, sizeof bytes, 0);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) return false;
    buffer_.append(bytes, static_cast<size_t>(got));
    return true;
}

Connection::Head Connection::read_head() {
    auto deadline = Clock::now() + limits_.idle_time;
    bool started = false;
    for (;;) {
        if (!buffer_.empty() && !started) {
            started = true;
            deadline = Clock::now() + limits_.head_time;
        }
        head_bytes_ = end_of_head(buffer_);
        if (head_bytes_ > limits_.head_bytes) return Head::kTooLarge;
        if (head_bytes_ > 0) return Head::kComplete;
        if (buffer_.size() > limits_.head_bytes) return Head::kTooLarge;
        if (stopping_ && !started) return Head::kClosed;
        if (Clock::now() > deadline) return started ? Head::kTooSlow : Head::kClosed;
        // In slices, so that an idle connection notices that the server stops.
        if (!wait(POLLIN, milliseconds(100))) continue;
        if (!more_into_buffer()) return Head::kClosed;
    }
}

void Connection::begin_request(const Framing& framing) {
    head_ = framing.head;
    head_at_ = 0;
    at_ = head_bytes_;
    body_left_ = framing.body_bytes;
    body_read_ = 0;
    body_most_ = limits_.body_bytes;
    chunks_.reset();
    if (framing.chunked) chunks_.emplace(limits_.body_bytes);
    problem_.reset();
    body_start_ = Clock::now();
}

bool Connection::limit_body(uint64_t most) {
    body_most_ = std::min(body_most_, most);
    if (chunks_) chunks_->limit(most);
    return body_left_ <= most;
}

ssize_t Connection::fail_body(int status, const char* message) {
    problem_ = BodyProblem{status, message};
    return -1;
}

bool Connection::wait_for_body() {
    const auto allowed =
        limits_.body_time + std::chrono::seconds(body_read_ / limits_.body_bytes_per_second);
    return Clock::now() - body_start_ <= allowed && wait(POLLIN, limits_.stall_time);
}

ssize_t Connection::read(char* to, size_t size) {
    if (size == 0) return 0;
    if (head_at_ < head_.size()) {
        const size_t n = head_.copy(to, size, head_at_);
        head_at_ += n;
        return static_cast<ssize_t>(n);
    }
    const ssize_t got = chunks_ ? read_chunks(to, size) : read_body(to, size);
    if (got > 0) body_read_ += static_cast<uint64_t>(got);
    return got;
}

ssize_t Connection::read_body(char* to, size_t size) {
    if (body_left_ == 0) return 0;
    size = static_cast<size_t>(std::min<uint64_t>(size, body_left_));
    ssize_t got;
    if (at_ < buffer_.size()) {
        got = static_cast<ssize_t>(buffer_.copy(to, size, at_));
        at_ += static_cast<size_t>(got);
    } else {
        if (!wait_for_body()) return fail_body(408, "the body took too long to arrive");
        do {
            got = ::recv(socket_, to, size, 0);
        } while (got < 0 && errno == EINTR);
        if (got == 0) return fail_body(400, "the body ended early");
    }
    if (got > 0) body_left_ -= static_cast<uint64_t>(got);
    return got;
}

ssize_t Connection::read_chunks(char* to, size_t size) {
    while (!chunks_->ended()) {
        if (at_ == buffer_.size()) {
            buffer_.clear();
            at_ = 0;
            if (!wait_for_body()) return fail_body(408, "the body took too long to arrive");
            if (!more_into_buffer()) return fail_body(400, "the body ended early");
        }
        const auto taken = chunks_->take(std::string_view(buffer_).substr(at_), to, size);
        at_ += taken.used;
        if (taken.content > 0) return static_cast<ssize_t>(taken.content);
    }
    switch (chunks_->state()) {
        case ChunkedBody::State::kTooLarge: return fail_body(413, "the body is too large");
        case ChunkedBody::State::kMalformed:
            return fail_body(400, "the chunks of the body are malformed");
        default: return 0;
    }
}

ssize_t Connection::write(const char* from, size_t size) {
    size_t done = 0;
    while (done < size) {
        if (!wait(POLLOUT, limits_.stall_time)) return -1;
        const ssize_t sent = ::send(socket_, from + done, size - done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            done += static_cast<size_t>(sent);
        } else if (errno != EINTR && errno != EAGAIN) {
            return -1;
        }
    }
    return static_cast<ssize_t>(size);
}

GuardedServer::GuardedServer(const ConnectionLimits& limits)
    : limits_(limits), closer_(std::make_unique<Closer>()) {
    // cpp-httplib would set SO_REUSEPORT: a second server on the port would start, and the kernel
    // would deal requests out between the two.
    set_socket_options([](socket_t socket) {
        const int on = 1;
        ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    });
    new_task_queue = [this] { return new ConnectionPool(limits_.connections); };
    set_payload_max_length(limits.body_bytes);
    // What cpp-httplib announces in its Keep-Alive header; the loop below decides.
    set_keep_alive_max_count(1000);
    set_keep_alive_timeout(limits.idle_time.count());
}

GuardedServer::~GuardedServer() = default;

void GuardedServer::refuse(Connection& connection, int status, const std::string& message) {
    if (on_refused) on_refused(status);
    const std::string body = error_body(status, message);
    std::string text = "HTTP/1.1 " + std::to_string(status) + " " + reason_phrase(status) +
                       "\r\nContent-Type: application/json\r\nConnection: close\r\n"
                       "Content-Length: " +
                       std::to_string(body.size()) + "\r\n";
    if (status == 503) text += "Retry-After: 2\r\n";
    if (status == 405) text += "Allow: GET, HEAD, POST, DELETE\r\n";
    connection.httplib::Stream::write(text + "\r\n" + body);
}

// False: the connection is to be closed.
bool GuardedServer::serve_one(Connection& connection) {
    switch (connection.read_head()) {
        case Connection::Head::kClosed: return false;
        case Connection::Head::kTooLarge:
            refuse(connection, 431,
                   "the request's head is longer than " + std::to_string(limits_.head_bytes) +
                       " bytes");
            return false;
        case Connection::Head::kTooSlow:
            refuse(connection, 408, "the request's head took too long to arrive");
            return false;
        case Connection::Head::kComplete: break;
    }
    const Framing framing = read_framing(connection.head(), limits_.body_bytes);
    if (framing.status != 0) {
        refuse(connection, framing.status, framing.message);
        return false;
    }
    connection.begin_request(framing);
    bool closed = false;
    const bool written = process_request(connection, stopping_, closed, nullptr);
    const bool whole = connection.read_to_the_end();
    connection.end_request();
    return written && whole && !closed && !stopping_;
}

bool GuardedServer::process_and_close_socket(socket_t socket) {
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Connection connection(socket, limits_, stopping_);
    if (ConnectionPool::refusing()) {
        refuse(connection, 503, "too many connections, or no thread left; try again in a moment");
    } else {
        t_connection = &connection;
        while (serve_one(connection)) {
        }
        t_connection = nullptr;
    }
    closer_->close(socket);
    return true;
}

}  // namespace s3attn::server
