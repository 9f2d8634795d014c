// HTTP connections with limits. cpp-httplib parses and routes requests; what reaches it has passed
// here: heads and bodies of bounded size that arrive in bounded time, with one exact length.
//
// cpp-httplib 0.11.4 has known holes in its handling of chunked bodies and reads lines and bodies
// without a bound in time; so chunks are taken apart here (chunked_body.h), bodies are capped
// (413), and a connection whose request was not read to its end is closed. docs/serve.md says why
// it is kept all the same.
#pragma once

#include <httplib.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace s3attn::server {

struct ConnectionLimits {
    size_t head_bytes = 32 << 10;
    uint64_t body_bytes = 256ull << 20;
    std::chrono::seconds head_time{10};   // from its first byte to its last
    std::chrono::seconds idle_time{30};   // between two requests
    std::chrono::seconds stall_time{15};  // without a byte of a body, or of a response taken
    // A body may take this long and one second more per so many bytes.
    std::chrono::seconds body_time{30};
    uint64_t body_bytes_per_second = 4096;
    size_t connections = 64;  // at a time; one more is told to come back (503)
};

class Connection;

// A server whose connections keep to the limits.
class GuardedServer : public httplib::Server {
  public:
    explicit GuardedServer(const ConnectionLimits& limits);
    ~GuardedServer() override;

    // Called for requests that were refused before routing.
    std::function<void(int status)> on_refused;
    // Wakes idle connections and lets running requests be the last of theirs. Before stop().
    void begin_stop() { stopping_ = true; }
    bool stopping() const { return stopping_; }

  private:
    bool process_and_close_socket(socket_t socket) override;
    bool serve_one(Connection& connection);
    void refuse(Connection& connection, int status, const std::string& message);

    ConnectionLimits limits_;
    std::atomic<bool> stopping_{false};
    class Closer;
    std::unique_ptr<Closer> closer_;
};

// Of the request that this thread serves: its body may have so many bytes, fewer than the server's
// limit. False when it says itself that it has more. To be called before the body is read.
bool limit_body(uint64_t most);
// Why its body could not be read to the end, where it could not.
struct BodyProblem {
    int status = 400;
    std::string message;
};
std::optional<BodyProblem> body_problem();

// True when the client of the request that this thread serves has hung up.
bool client_has_gone();

}  // namespace s3attn::server
