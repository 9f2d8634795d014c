#include "store/archive.h"

#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include <cerrno>
#include <set>

#include "base/files.h"

namespace s3attn {
namespace {

constexpr zip_int64_t kMostEntries = 1 << 20;

std::string message_of(int code) {
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

Result<std::unique_ptr<ArchiveWriter>> ArchiveWriter::create(const std::string& path) {
    int code = 0;
    zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
    if (archive == nullptr) {
        return make_error(ErrorCode::kIo, "cannot create '" + path + "': " + message_of(code));
    }
    return std::unique_ptr<ArchiveWriter>(new ArchiveWriter(archive, path));
}

ArchiveWriter::~ArchiveWriter() {
    if (archive_ != nullptr) zip_discard(archive_);
}

Error ArchiveWriter::failed(const std::string& what) const {
    return make_error(ErrorCode::kIo,
                      "cannot write '" + path_ + "': " + what + zip_strerror(archive_));
}

Status ArchiveWriter::add(const std::string& name, std::span<const std::byte> bytes) {
    zip_source_t* source = zip_source_buffer(archive_, bytes.data(), bytes.size(), 0);
    if (source == nullptr) return failed(name + ": ");
    const zip_int64_t index = zip_file_add(archive_, name.c_str(), source, ZIP_FL_ENC_UTF_8);
    if (index < 0) {
        zip_source_free(source);
        return failed(name + ": ");
    }
    const auto entry = static_cast<zip_uint64_t>(index);
    // Postings do not compress, and an import must not unpack more than it was given. A fixed date
    // makes equal stores equal files.
    if (zip_set_file_compression(archive_, entry, ZIP_CM_STORE, 0) != 0 ||
        zip_file_set_dostime(archive_, entry, 0, 0x21, 0) != 0) {
        return failed(name + ": ");
    }
    return {};
}

Status ArchiveWriter::finish() {
    if (zip_close(archive_) != 0) return failed("");
    archive_ = nullptr;
    return sync_file(path_);
}

Error ArchiveReader::corrupt(const std::string& entry, const std::string& what) const {
    return make_error(ErrorCode::kCorrupt,
                      "'" + path_ + "'" + (entry.empty() ? "" : ", entry '" + entry + "'") + ": " +
                          what + "; copy the file again or export the store anew");
}

Result<std::unique_ptr<ArchiveReader>> ArchiveReader::open(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return errno_error("cannot open", path);
    if (!S_ISREG(info.st_mode)) {
        return make_error(ErrorCode::kInvalidArgument, "'" + path + "' is not a regular file");
    }
    if (::access(path.c_str(), R_OK) != 0) return errno_error("cannot open", path);
    int code = 0;
    zip_t* archive = zip_open(path.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &code);
    if (archive == nullptr) {
        return make_error(ErrorCode::kCorrupt,
                          "'" + path + "' is not a whole export of a store (" + message_of(code) +
                              "); copy the file again or export the store anew");
    }
    std::unique_ptr<ArchiveReader> reader(new ArchiveReader(archive, path));
    S3ATTN_CHECK(reader->load_entries(static_cast<uint64_t>(info.st_size)));
    return reader;
}

ArchiveReader::~ArchiveReader() { zip_discard(archive_); }

Status ArchiveReader::load_entries(uint64_t file_bytes) {
    const zip_int64_t n = zip_get_num_entries(archive_, 0);
    if (n < 0 || n > kMostEntries) return corrupt("", "an impossible number of entries");
    std::set<std::string> names;
    uint64_t left = file_bytes;
    for (zip_int64_t i = 0; i < n; ++i) {
        zip_stat_t status;
        zip_stat_init(&status);
        constexpr zip_uint64_t kNeeded =
            ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
        if (zip_stat_index(archive_, static_cast<zip_uint64_t>(i), ZIP_FL_ENC_RAW, &status) != 0 ||
            (status.valid & kNeeded) != kNeeded) {
            return corrupt("number " + std::to_string(i), "it cannot be read");
        }
        const std::string name = status.name;
        if (status.comp_method != ZIP_CM_STORE || status.encryption_method != ZIP_EM_NONE) {
            return corrupt(name, "it is compressed or encrypted");
        }
        if (!names.insert(name).second) return corrupt(name, "it is there twice");
        if (status.size > left) return corrupt(name, "it is larger than the file");
        left -= status.size;
        entries_.push_back({name, status.size});
    }
    return {};
}

Status ArchiveReader::read(size_t index, const std::function<Status(std::string_view)>& on_block) {
    const ArchiveEntry& entry = entries_[index];
    const std::unique_ptr<zip_file_t, FileCloser> file(
        zip_fopen_index(archive_, static_cast<zip_uint64_t>(index), 0));
    if (!file) return corrupt(entry.name, zip_strerror(archive_));
    std::string buffer(1 << 16, '\0');
    uint64_t done = 0;
    for (;;) {
        const zip_int64_t got = zip_fread(file.get(), buffer.data(), buffer.size());
        if (got < 0) {
            return corrupt(entry.name, "at byte " + std::to_string(done) + ": " +
                                           zip_file_strerror(file.get()));
        }
        if (got == 0) break;
        done += static_cast<uint64_t>(got);
        if (done > entry.bytes) break;
        S3ATTN_CHECK(on_block({buffer.data(), static_cast<size_t>(got)}));
    }
    if (done != entry.bytes) {
        return corrupt(entry.name, "it should have " + std::to_string(entry.bytes) +
                                       " bytes and ends at " + std::to_string(done));
    }
    return {};
}

}  // namespace s3attn
