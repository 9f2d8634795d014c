#include "store/writer_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/files.h"
#include "s3attn/reason.h"
#include "store/layout.h"

namespace s3attn {
namespace {

Error busy(int fd, const std::string& directory) {
    char text[32];
    const ssize_t got = ::pread(fd, text, sizeof text, 0);
    std::string pid;
    for (ssize_t i = 0; i < got && text[i] >= '0' && text[i] <= '9'; ++i) pid += text[i];
    const std::string holder =
        pid.empty() ? "a reader that may not write its directory" : "process " + pid;
    return make_error(ErrorCode::kBusy, reason::kStoreBusy, directory,
                      "the store '" + directory + "' is in use by " + holder +
                          "; wait for it to end and try again");
}

Status lock(const Descriptor& file, LockKind kind, const std::string& directory,
            const std::string& path) {
    S3ATTN_TRY(const bool ours, lock_file(file, kind, false, path));
    return ours ? Status() : busy(file.get(), directory);
}

}  // namespace

Result<std::unique_ptr<WriterLock>> WriterLock::exclusive(const std::string& directory) {
    const std::string path = directory + "/" + kLockFile;
    Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (!file.open()) return errno_error("cannot open", path);
    S3ATTN_CHECK(lock(file, LockKind::kExclusive, directory, path));
    std::unique_ptr<WriterLock> held(new WriterLock(std::move(file), true));
    // Only a message depends on the pid: not being able to write it (a full disk) is no failure.
    const std::string pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(held->file_.get(), 0) == 0) {
        [[maybe_unused]] const Status written = write_all(held->file_.get(), pid, path);
    }
    return held;
}

Result<std::unique_ptr<WriterLock>> WriterLock::shared(const std::string& directory) {
    const std::string path = directory + "/" + kLockFile;
    Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.open()) {
        if (errno == ENOENT) return std::unique_ptr<WriterLock>();
        return errno_error("cannot open", path);
    }
    S3ATTN_CHECK(lock(file, LockKind::kShared, directory, path));
    return std::unique_ptr<WriterLock>(new WriterLock(std::move(file), false));
}

WriterLock::~WriterLock() {
    if (owner_) [[maybe_unused]]
        const int ignored = ::ftruncate(file_.get(), 0);
}

}  // namespace s3attn
