#include "closer.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace s3attn::server {

using Clock = std::chrono::steady_clock;

GuardedServer::Closer::~Closer() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    wake_.notify_one();
    thread_.join();
    for (const Waiting& waiting : waiting_) ::close(waiting.socket);
}

void GuardedServer::Closer::close(int socket) {
    ::shutdown(socket, SHUT_WR);
    {
        const std::lock_guard lock(mutex_);
        if (!ending_ && waiting_.size() < kMostWaiting) {
            waiting_.push_back({socket, Clock::now() + std::chrono::seconds(2)});
            wake_.notify_one();
            return;
        }
    }
    ::close(socket);
}

// True when the client has closed its side.
bool GuardedServer::Closer::drain(int socket) {
    char bytes[16384];
    for (int round = 0; round < 64; ++round) {
        const ssize_t got = ::recv(socket, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got == 0) return true;
        if (got < 0) return errno != EAGAIN && errno != EINTR;
    }
    return false;
}

void GuardedServer::Closer::run() {
    std::unique_lock lock(mutex_);
    while (!ending_) {
        if (waiting_.empty()) {
            wake_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
            continue;
        }
        std::erase_if(waiting_, [now = Clock::now()](const Waiting& waiting) {
            const bool done = drain(waiting.socket) || now > waiting.until;
            if (done) ::close(waiting.socket);
            return done;
        });
        if (!waiting_.empty()) wake_.wait_for(lock, std::chrono::milliseconds(10));
    }
}

}  // namespace s3attn::server
