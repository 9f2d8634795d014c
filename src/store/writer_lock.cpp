#include "store/writer_lock.h"

#include <fcntl.h>
#include <sys/file.h>
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

Status lock(int fd, int operation, const std::string& directory, const std::string& path) {
    while (::flock(fd, operation | LOCK_NB) != 0) {
        if (errno == EINTR) continue;
        if (errno == EWOULDBLOCK) return busy(fd, directory);
        return errno_error("cannot lock", path);
    }
    return {};
}

}  // namespace

Result<std::unique_ptr<WriterLock>> WriterLock::exclusive(const std::string& directory) {
    const std::string path = directory + "/" + kLockFile;
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return errno_error("cannot open", path);
    std::unique_ptr<WriterLock> held(new WriterLock(fd, false));
    S3ATTN_CHECK(lock(fd, LOCK_EX, directory, path));
    held->owner_ = true;
    // Only a message depends on the pid: not being able to write it (a full disk) is no failure.
    const std::string pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(fd, 0) == 0) {
        [[maybe_unused]] const ssize_t written = ::pwrite(fd, pid.data(), pid.size(), 0);
    }
    return held;
}

Result<std::unique_ptr<WriterLock>> WriterLock::shared(const std::string& directory) {
    const std::string path = directory + "/" + kLockFile;
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        if (errno == ENOENT) return std::unique_ptr<WriterLock>();
        return errno_error("cannot open", path);
    }
    std::unique_ptr<WriterLock> held(new WriterLock(fd, false));
    S3ATTN_CHECK(lock(fd, LOCK_SH, directory, path));
    return held;
}

WriterLock::~WriterLock() {
    if (owner_) [[maybe_unused]]
        const int ignored = ::ftruncate(fd_, 0);
    ::close(fd_);
}

}  // namespace s3attn
