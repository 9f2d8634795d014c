#include "eval/index_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <thread>

#include "base/files.h"

namespace s3attn::eval {

Result<IndexLock> IndexLock::take(const std::string& directory, const CancelToken& cancel) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) {
        return make_error(ErrorCode::kIo, "cannot make " + directory + ": " + error.message());
    }
    const std::string path = directory + "/lock";
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return errno_error("cannot open", path);
    IndexLock lock(fd);
    // Not a wait in the kernel, so that Ctrl-C ends it. A file system without locks has none.
    while (::flock(fd, LOCK_EX | LOCK_NB) != 0 && (errno == EWOULDBLOCK || errno == EINTR)) {
        if (cancel.cancelled()) return make_error(ErrorCode::kCancelled, "interrupted");
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return lock;
}

IndexLock::~IndexLock() {
    if (fd_ >= 0) ::close(fd_);
}

}  // namespace s3attn::eval
