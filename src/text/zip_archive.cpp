#include "text/zip_archive.h"

#include <fcntl.h>
#include <unistd.h>
#include <zip.h>

#include <algorithm>

namespace s3attn::text {
namespace {

std::string open_problem(int code) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    std::string message = zip_error_strerror(&error);
    zip_error_fini(&error);
    return message;
}

struct FileCloser {
    void operator()(zip_file_t* file) const { zip_fclose(file); }
};

}  // namespace

Error entry_error(const std::string& path, std::string_view entry, std::string_view what) {
    return make_error(ErrorCode::kCorrupt, path + ": " + std::string(entry) + ": " +
                                               std::string(what) +
                                               "; copy the file again or save it anew");
}

Result<std::unique_ptr<ZipArchive>> ZipArchive::open(const SourceFile& source, uint64_t max_bytes) {
    // A description of its own: libzip seeks in it, and an unlinked spool has no other name.
    const std::string name = "/proc/self/fd/" + std::to_string(source.fd());
    const int fd = ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return make_error(ErrorCode::kIo, "cannot open " + source.path() + " again");
    int code = 0;
    zip_t* archive = zip_fdopen(fd, 0, &code);
    if (archive == nullptr) {
        ::close(fd);
        return make_error(ErrorCode::kCorrupt, open_problem(code));
    }
    return std::unique_ptr<ZipArchive>(new ZipArchive(archive, source.path(), max_bytes));
}

ZipArchive::~ZipArchive() { zip_discard(archive_); }

bool ZipArchive::contains(const std::string& name) const {
    return zip_name_locate(archive_, name.c_str(), 0) >= 0;
}

Result<std::string> ZipArchive::read(const std::string& name) {
    const zip_int64_t index = zip_name_locate(archive_, name.c_str(), 0);
    if (index < 0) return entry_error(path_, name, "missing in the archive");
    zip_stat_t status;
    zip_stat_init(&status);
    const auto entry = static_cast<zip_uint64_t>(index);
    if (zip_stat_index(archive_, entry, 0, &status) == 0 &&
        (status.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 &&
        status.encryption_method != ZIP_EM_NONE) {
        return make_error(ErrorCode::kUnsupported,
                          path_ + ": " + name + " is encrypted; save the file without a password");
    }
    std::unique_ptr<zip_file_t, FileCloser> file(zip_fopen_index(archive_, entry, 0));
    if (!file) return entry_error(path_, name, zip_strerror(archive_));
    std::string bytes;
    constexpr size_t kStep = 1 << 16;
    for (;;) {
        const size_t have = bytes.size();
        bytes.resize(have + kStep);
        const zip_int64_t got = zip_fread(file.get(), bytes.data() + have, kStep);
        if (got < 0) return entry_error(path_, name, zip_file_strerror(file.get()));
        bytes.resize(have + static_cast<size_t>(got));
        if (bytes.size() > budget_) {
            return make_error(ErrorCode::kUnsupported, path_ + ": unpacks to more than " +
                                                           std::to_string(limit_) + " bytes (at " +
                                                           name + "), the limit for such files");
        }
        if (got == 0) break;
    }
    budget_ -= bytes.size();
    return bytes;
}

}  // namespace s3attn::text
