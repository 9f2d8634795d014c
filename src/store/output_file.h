// A file written once, front to back: buffered, every failure reported, unlinked unless finished.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/descriptor.h"
#include "s3attn/result.h"

namespace s3attn {

class OutputFile {
  public:
    // Truncates what is there.
    static Result<std::unique_ptr<OutputFile>> create(const std::string& path);
    ~OutputFile();
    OutputFile(const OutputFile&) = delete;
    OutputFile& operator=(const OutputFile&) = delete;

    Status write(std::string_view bytes);
    Status finish();  // flushes, syncs and closes; the file stays
    uint64_t size() const { return size_; }
    const std::string& path() const { return path_; }

  private:
    OutputFile(std::string path, Descriptor file)
        : path_(std::move(path)), file_(std::move(file)) {}
    Status flush();

    std::string path_;
    Descriptor file_;
    uint64_t size_ = 0;
    std::string buffer_;
    bool finished_ = false;
};

}  // namespace s3attn
