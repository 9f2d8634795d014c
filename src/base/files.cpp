#include "base/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "base/owned_file.h"

namespace s3attn {
namespace {

std::string hex_digest(XXH128_hash_t hash) {
    char text[33];
    std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(hash.high64),
                  static_cast<unsigned long long>(hash.low64));
    return text;
}

// Calls `on_block` with consecutive blocks of the file.
Status stream_file(const std::string& path,
                   const std::function<Status(std::string_view)>& on_block) {
    Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.open()) return errno_error("cannot open", path);
    std::vector<char> buffer(1 << 16);
    for (;;) {
        const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
        if (got < 0) {
            if (errno == EINTR) continue;
            return errno_error("cannot read", path);
        }
        if (got == 0) return {};
        S3ATTN_CHECK(on_block({buffer.data(), static_cast<size_t>(got)}));
    }
}

}  // namespace

Error errno_error(std::string_view what, const std::string& path) {
    const int code = errno;
    const ErrorCode kind = code == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
    return make_error(kind, std::string(what) + " '" + path + "': " + std::strerror(code));
}

Result<std::string> read_file(const std::string& path, uint64_t max_bytes) {
    std::string bytes;
    S3ATTN_CHECK(stream_file(path, [&](std::string_view block) -> Status {
        if (bytes.size() + block.size() > max_bytes) {
            return make_error(ErrorCode::kUnsupported, "'" + path + "' is larger than " +
                                                           std::to_string(max_bytes) + " bytes");
        }
        bytes.append(block);
        return {};
    }));
    return bytes;
}

Status write_file_atomic(const std::string& path, std::string_view bytes) {
    S3ATTN_TRY(OwnedFile file, OwnedFile::create_unique(path + ".tmp."));
    S3ATTN_CHECK(file.write(bytes));
    return file.rename_to(path);
}

Status sync_file(const std::string& path) {
    Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.open()) return errno_error("cannot open", path);
    if (::fsync(file.get()) != 0) return errno_error("cannot sync", path);
    return {};
}

Status sync_directory(const std::string& path) { return sync_file(path.empty() ? "." : path); }

Result<std::string> hash_file(const std::string& path) {
    std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state(XXH3_createState(),
                                                                          XXH3_freeState);
    XXH3_128bits_reset(state.get());
    S3ATTN_CHECK(stream_file(path, [&](std::string_view block) -> Status {
        XXH3_128bits_update(state.get(), block.data(), block.size());
        return {};
    }));
    return hex_digest(XXH3_128bits_digest(state.get()));
}

std::string hash_bytes(std::string_view bytes) {
    return hex_digest(XXH3_128bits(bytes.data(), bytes.size()));
}

Result<std::shared_ptr<MappedFile>> MappedFile::open(const std::string& path) {
    Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.open()) return errno_error("cannot open", path);
    struct stat info {};
    if (::fstat(file.get(), &info) != 0) return errno_error("cannot stat", path);
    if (!S_ISREG(info.st_mode)) {
        return make_error(ErrorCode::kIo, "'" + path + "' is not a regular file");
    }
    const size_t size = static_cast<size_t>(info.st_size);
    if (size == 0) return std::shared_ptr<MappedFile>(new MappedFile(nullptr, 0));
    void* data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
    if (data == MAP_FAILED) return errno_error("cannot map", path);
    return std::shared_ptr<MappedFile>(new MappedFile(static_cast<const std::byte*>(data), size));
}

void MappedFile::forget_pages() const {
    if (data_ != nullptr) ::madvise(const_cast<std::byte*>(data_), size_, MADV_DONTNEED);
}

MappedFile::~MappedFile() {
    if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace s3attn
