// Descriptors, locks and files that go with the object that made them.
#pragma once

#include <cstdint>
#include <optional>
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
    // Closes it, and says what the system says of the bytes that were written last.
    Status close(const std::string& path);

  private:
    int fd_;
};

// Whatever signals and short writes come in between; `path` for the message.
Status write_all(int fd, std::string_view bytes, const std::string& path);

// flock(2) on an open file: it ends with the object, and with the process however that ends.
class FileLock {
  public:
    enum class Kind { kShared, kExclusive };
    // None when another holds it and `wait` is false. The file is given back through `file`.
    static Result<std::optional<FileLock>> take(Descriptor& file, Kind kind, bool wait,
                                                const std::string& path);
    int fd() const { return file_.get(); }

  private:
    explicit FileLock(Descriptor file) : file_(std::move(file)) {}
    Descriptor file_;
};

// A file that this object made, and that goes with it unless it is kept. It is always a new one:
// what stood under a name before is never touched, and what took the name since is not removed.
class OwnedFile {
  public:
    // kInvalidArgument, reason::kExists, when something has that name.
    static Result<OwnedFile> create(const std::string& path);
    // With a name of its own that begins with `stem`.
    static Result<OwnedFile> create_unique(const std::string& stem);
    OwnedFile(OwnedFile&& other) noexcept;
    OwnedFile& operator=(OwnedFile&&) = delete;
    ~OwnedFile();

    const std::string& path() const { return path_; }
    int fd() const { return file_.get(); }
    Status write(std::string_view bytes) { return write_all(file_.get(), bytes, path_); }
    // Syncs and closes it, renames it over `path`, syncs the directory: from then on it is not
    // ours.
    Status rename_to(const std::string& path);
    // Syncs and closes it; it stays where it is.
    Status keep();

  private:
    OwnedFile(Descriptor file, std::string path);
    Status finish(const std::string& name);

    Descriptor file_;
    std::string path_;  // empty: not ours any more
    uint64_t device_ = 0, inode_ = 0;
};

}  // namespace s3attn
