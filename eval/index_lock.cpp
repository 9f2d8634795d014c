#include "eval/index_lock.h"

#include <fcntl.h>

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
    IndexLock lock(Descriptor(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)));
    if (!lock.file_.open()) return errno_error("cannot open", path);
    // Not a wait in the kernel, so that Ctrl-C ends it. A file system without locks has none.
    for (;;) {
        const auto ours = lock_file(lock.file_, LockKind::kExclusive, false, path);
        if (!ours.ok() || *ours) return lock;
        if (cancel.cancelled()) return make_error(ErrorCode::kCancelled, "interrupted");
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
}

}  // namespace s3attn::eval
