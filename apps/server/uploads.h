// Files that clients send: kept in STORE/uploads/NAME, so that they can be read again, an
// interrupted scan goes on at the next start, and citations name a file that is there.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "s3attn/engine.h"
#include "s3attn/result.h"

namespace s3attn::server {

// Why a document may not be called so; empty when it may. A name is one path component: no slash,
// no backslash, no control character, no dot in front, valid UTF-8, at most 200 bytes.
std::string problem_of_name(const std::string& name);

// A file on its way in. Until keep() it has a temporary name, and it is gone if that is not called.
class IncomingFile {
  public:
    // Makes `folder` where it is not there.
    static Result<std::unique_ptr<IncomingFile>> create(const std::string& folder);
    ~IncomingFile();
    Status write(std::string_view bytes);
    uint64_t bytes() const { return bytes_; }
    // Syncs it and gives it its name; an older file of that name is replaced.
    Result<std::string> keep(const std::string& name);

  private:
    IncomingFile(int file, std::string folder, std::string path)
        : file_(file), folder_(std::move(folder)), path_(std::move(path)) {}
    int file_;
    std::string folder_, path_;
    uint64_t bytes_ = 0;
    bool kept_ = false;
};

// Names of files in `folder` whose scan was not finished, by what the store has. Removes what was
// left half received.
std::vector<std::string> unfinished_uploads(const std::string& folder, const std::string& store);

}  // namespace s3attn::server
