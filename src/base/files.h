// Files: whole-file reads with a cap, atomic writes, memory maps, directory sync.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "s3attn/result.h"

namespace s3attn {

// Error with the path and strerror(errno).
Error errno_error(std::string_view what, const std::string& path);

Result<std::string> read_file(const std::string& path, uint64_t max_bytes);
// Writes to path + ".tmp.*", syncs, renames over `path`, syncs the directory.
Status write_file_atomic(const std::string& path, std::string_view bytes);
Status sync_file(const std::string& path);
Status sync_directory(const std::string& path);

// XXH3-128 of a file's bytes, hex (32 digits), streamed.
Result<std::string> hash_file(const std::string& path);
std::string hash_bytes(std::string_view bytes);

// A read-only memory map; empty files map to an empty span.
class MappedFile {
  public:
    static Result<std::shared_ptr<MappedFile>> open(const std::string& path);
    ~MappedFile();
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;
    std::span<const std::byte> bytes() const { return {data_, size_}; }
    // Gives the pages read so far back to the system; they are read again when needed.
    void forget_pages() const;

  private:
    MappedFile(const std::byte* data, size_t size) : data_(data), size_(size) {}
    const std::byte* data_;
    size_t size_;
};

}  // namespace s3attn
