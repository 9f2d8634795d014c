#include "text/source_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>
#include <vector>

#include "base/files.h"

namespace s3attn::text {
namespace {

Status copy_to_end(int from, int to, const std::string& name) {
    std::vector<char> buffer(1 << 16);
    for (;;) {
        const ssize_t got = ::read(from, buffer.data(), buffer.size());
        if (got < 0) {
            if (errno == EINTR) continue;
            return errno_error("cannot read", name);
        }
        if (got == 0) return {};
        S3ATTN_CHECK(write_all(to, {buffer.data(), static_cast<size_t>(got)}, name));
    }
}

}  // namespace

std::string describe_file_type(unsigned mode) {
    if (S_ISDIR(mode)) return "a directory";
    if (S_ISFIFO(mode)) return "a named pipe";
    if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
    if (S_ISSOCK(mode)) return "a socket";
    return "not a regular file";
}

Result<std::shared_ptr<SourceFile>> SourceFile::temporary(const std::string& name) {
    const char* directory = std::getenv("TMPDIR");
    std::string path = directory != nullptr && *directory != '\0' ? directory : "/tmp";
    path += "/s3attn-XXXXXX";
    Descriptor fd(::mkostemp(path.data(), O_CLOEXEC));
    if (!fd.open()) {
        Error error = errno_error("cannot make a temporary file", path);
        error.message += "; set TMPDIR to a directory that can be written";
        return error;
    }
    ::unlink(path.c_str());
    return std::shared_ptr<SourceFile>(new SourceFile(name, std::move(fd)));
}

Result<std::shared_ptr<SourceFile>> SourceFile::open(const std::string& path) {
    if (path == "-") {
        S3ATTN_TRY(std::shared_ptr<SourceFile> spool, temporary(path));
        S3ATTN_CHECK(copy_to_end(STDIN_FILENO, spool->fd(), "standard input"));
        return spool;
    }
    // O_NONBLOCK: opening a named pipe must not wait for its writer.
    Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!fd.open()) {
        Error error = errno_error("cannot open", path);
        if (errno == ENOENT || errno == ENOTDIR) error.code = ErrorCode::kNotFound;
        return error;
    }
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) return errno_error("cannot examine", path);
    if (!S_ISREG(status.st_mode)) {
        std::string message = path + " is " + describe_file_type(status.st_mode);
        message += S_ISDIR(status.st_mode) ? "; name the files in it"
                                           : "; pipe it to standard input and name \"-\"";
        return make_error(ErrorCode::kUnsupported, std::move(message));
    }
    return std::shared_ptr<SourceFile>(new SourceFile(path, std::move(fd)));
}

Result<size_t> SourceFile::read_at(uint64_t offset, char* buffer, size_t size) const {
    size_t total = 0;
    while (total < size) {
        const ssize_t got =
            ::pread(fd_.get(), buffer + total, size - total, static_cast<off_t>(offset + total));
        if (got < 0) {
            if (errno == EINTR) continue;
            return errno_error("cannot read", path_);
        }
        if (got == 0) break;
        total += static_cast<size_t>(got);
    }
    return total;
}

Result<std::string> SourceFile::read_all(uint64_t max_bytes) const {
    std::string bytes;
    constexpr size_t kStep = 1 << 20;
    for (;;) {
        const size_t have = bytes.size();
        bytes.resize(have + kStep);
        S3ATTN_TRY(const size_t got, read_at(have, bytes.data() + have, kStep));
        bytes.resize(have + got);
        if (bytes.size() > max_bytes) {
            return make_error(ErrorCode::kUnsupported,
                              path_ + " is larger than " + std::to_string(max_bytes) +
                                  " bytes, the limit for formats that are parsed whole; split it, "
                                  "or convert it to plain text");
        }
        if (got < kStep) return bytes;
    }
}

Result<std::string> SourceFile::hash() const {
    // Through /proc, so that an unlinked spool can be hashed as any other file.
    Result<std::string> digest = hash_file("/proc/self/fd/" + std::to_string(fd_.get()));
    if (!digest.ok()) return make_error(ErrorCode::kIo, "cannot read " + path_ + " to hash it");
    return digest;
}

}  // namespace s3attn::text
