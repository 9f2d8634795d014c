#include "store/output_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/files.h"

namespace s3attn {
namespace {
constexpr size_t kBufferBytes = 1 << 18;
}

Result<std::unique_ptr<OutputFile>> OutputFile::create(const std::string& path) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return errno_error("cannot create", path);
    return std::unique_ptr<OutputFile>(new OutputFile(path, fd));
}

OutputFile::~OutputFile() {
    if (fd_ >= 0) ::close(fd_);
    if (!finished_) ::unlink(path_.c_str());
}

Status OutputFile::write(std::string_view bytes) {
    size_ += bytes.size();
    buffer_.append(bytes);
    return buffer_.size() >= kBufferBytes ? flush() : Status();
}

Status OutputFile::flush() {
    std::string_view left = buffer_;
    while (!left.empty()) {
        const ssize_t written = ::write(fd_, left.data(), left.size());
        if (written < 0) {
            if (errno == EINTR) continue;
            return errno_error("cannot write", path_);
        }
        left.remove_prefix(static_cast<size_t>(written));
    }
    buffer_.clear();
    return {};
}

Status OutputFile::finish() {
    S3ATTN_CHECK(flush());
    if (::fsync(fd_) != 0) return errno_error("cannot sync", path_);
    const int fd = fd_;
    fd_ = -1;
    if (::close(fd) != 0) return errno_error("cannot close", path_);
    finished_ = true;
    return {};
}

}  // namespace s3attn
