// File descriptors: closed by their object, locked, written whole.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "s3attn/result.h"

namespace s3attn {

// Closed at the end.
class Descriptor {
  public:
    explicit Descriptor(int fd = -1) : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Descriptor();

    bool open() const { return fd_ >= 0; }
    int get() const { return fd_; }
    void close();
    // The same, and says what the system says of the bytes that were written last.
    Status close(const std::string& path);

  private:
    int fd_;
};

// Whatever signals and short writes come in between; `path` for the message.
Status write_all(int fd, std::string_view bytes, const std::string& path);

enum class LockKind { kShared, kExclusive };
// flock(2): the lock ends when the descriptor is closed, and with the process however that ends.
// False when another holds it and `wait` is false; kIo where the file system has no locks.
Result<bool> lock_file(const Descriptor& file, LockKind kind, bool wait, const std::string& path);

}  // namespace s3attn
