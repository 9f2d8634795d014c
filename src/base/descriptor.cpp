#include "base/descriptor.h"

#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "base/files.h"

namespace s3attn {

Descriptor::~Descriptor() { close(); }

void Descriptor::close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Status Descriptor::close(const std::string& path) {
    if (::close(std::exchange(fd_, -1)) != 0) return errno_error("cannot close", path);
    return {};
}

Status write_all(int fd, std::string_view bytes, const std::string& path) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return errno_error("cannot write", path);
        bytes.remove_prefix(static_cast<size_t>(written));
    }
    return {};
}

Result<bool> lock_file(const Descriptor& file, LockKind kind, bool wait, const std::string& path) {
    const int operation = (kind == LockKind::kShared ? LOCK_SH : LOCK_EX) | (wait ? 0 : LOCK_NB);
    while (::flock(file.get(), operation) != 0) {
        if (errno == EINTR) continue;
        if (errno == EWOULDBLOCK) return false;
        return errno_error("cannot lock", path);
    }
    return true;
}

}  // namespace s3attn
