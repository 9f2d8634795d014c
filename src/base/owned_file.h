// Files that go with the object that made them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/descriptor.h"
#include "s3attn/result.h"

namespace s3attn {

// A file that this object made, and that goes with it unless it is kept. It is always a new one:
// what stood under a name before is never touched, and what took the name since is not removed.
class OwnedFile {
  public:
    // kInvalidArgument, reason::kExists, when something has that name.
    static Result<OwnedFile> create(const std::string& path);
    // With a name of its own that begins with `stem`. Its mode is that of any new file.
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
