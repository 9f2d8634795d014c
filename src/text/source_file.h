// The bytes a document comes from: an opened regular file, or a pipe spooled to an unlinked
// temporary file, so that everything after this point can seek.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/descriptor.h"
#include "s3attn/result.h"

namespace s3attn::text {

class SourceFile {
  public:
    // "-" reads standard input to its end first.
    static Result<std::shared_ptr<SourceFile>> open(const std::string& path);
    // An unlinked temporary file in TMPDIR (or /tmp), to be filled through fd().
    static Result<std::shared_ptr<SourceFile>> temporary(const std::string& name);

    const std::string& path() const { return path_; }
    int fd() const { return fd_.get(); }
    // Bytes at `offset` into `buffer`; fewer than `size` only at the end of the file.
    Result<size_t> read_at(uint64_t offset, char* buffer, size_t size) const;
    // The whole file; kUnsupported above `max_bytes`.
    Result<std::string> read_all(uint64_t max_bytes) const;
    // XXH3-128 of the bytes, hex.
    Result<std::string> hash() const;

  private:
    SourceFile(std::string path, Descriptor fd) : path_(std::move(path)), fd_(std::move(fd)) {}
    std::string path_;
    Descriptor fd_;
};

// What a file that is not a regular one is ("a named pipe", ...), from its st_mode.
std::string describe_file_type(unsigned mode);

}  // namespace s3attn::text
