#include "base/owned_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/files.h"
#include "s3attn/reason.h"

namespace s3attn {

namespace {

Descriptor make_new(const std::string& path) {
    return Descriptor(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
}

}  // namespace

OwnedFile::OwnedFile(Descriptor file, std::string path)
    : file_(std::move(file)), path_(std::move(path)) {
    struct stat info {};
    if (::fstat(file_.get(), &info) != 0) return;
    device_ = info.st_dev;
    inode_ = info.st_ino;
}

OwnedFile::OwnedFile(OwnedFile&& other) noexcept
    : file_(std::move(other.file_)),
      path_(std::exchange(other.path_, {})),
      device_(other.device_),
      inode_(other.inode_) {}

OwnedFile::~OwnedFile() {
    if (path_.empty()) return;
    struct stat info {};
    const bool ours =
        ::lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ && info.st_ino == inode_;
    if (ours) ::unlink(path_.c_str());
}

Result<OwnedFile> OwnedFile::create(const std::string& path) {
    Descriptor file = make_new(path);
    if (file.open()) return OwnedFile(std::move(file), path);
    if (errno != EEXIST) return errno_error("cannot create", path);
    return make_error(ErrorCode::kInvalidArgument, reason::kExists, path,
                      "'" + path + "' exists already; remove it or choose another name");
}

Result<OwnedFile> OwnedFile::create_unique(const std::string& stem) {
    // Not mkostemp(3), which makes files that nobody else may read, whatever the umask says.
    static std::atomic<uint32_t> made{0};
    const std::string start = stem + std::to_string(::getpid()) + "-";
    for (;;) {
        std::string path = start + std::to_string(made++);
        Descriptor file = make_new(path);
        if (file.open()) return OwnedFile(std::move(file), std::move(path));
        if (errno != EEXIST) return errno_error("cannot create", path);
    }
}

Status OwnedFile::finish(const std::string& name) {
    if (::fsync(file_.get()) != 0) return errno_error("cannot sync", name);
    return file_.close(name);
}

Status OwnedFile::keep() {
    S3ATTN_CHECK(finish(path_));
    path_.clear();
    return {};
}

Status OwnedFile::rename_to(const std::string& path) {
    S3ATTN_CHECK(finish(path_));
    if (::rename(path_.c_str(), path.c_str()) != 0) return errno_error("cannot rename to", path);
    path_.clear();
    return sync_directory(std::filesystem::path(path).parent_path().string());
}

}  // namespace s3attn
