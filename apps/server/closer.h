// Closes connections without losing the last response: a socket closed while bytes of the client
// wait unread is reset, and the client may never see why it was refused.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "connection.h"

namespace s3attn::server {

class GuardedServer::Closer {
  public:
    Closer() : thread_([this] { run(); }) {}
    ~Closer();
    // Ends our side now; reads and drops what still comes for up to two seconds, then closes.
    void close(int socket);

  private:
    struct Waiting {
        int socket;
        std::chrono::steady_clock::time_point until;
    };
    static constexpr size_t kMostWaiting = 256;
    void run();
    static bool drain(int socket);

    std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<Waiting> waiting_;
    bool ending_ = false;
    std::thread thread_;
};

}  // namespace s3attn::server
