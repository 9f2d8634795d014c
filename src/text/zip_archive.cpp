#include "text/zip_archive.h"

#include <fcntl.h>
#include <unicode/normalizer2.h>
#include <unicode/unistr.h>
#include <unistd.h>
#include <zip.h>

#include <algorithm>

#include "text/zip_repair.h"

namespace s3attn::text {
namespace {

std::string open_problem(int code) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    std::string message = zip_error_strerror(&error);
    zip_error_fini(&error);
    return message;
}

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// What two spellings of a name have in common.
std::string plain_form(const std::string& name) {
    std::string decoded = percent_decoded(name);
    std::replace(decoded.begin(), decoded.end(), '\\', '/');
    UErrorCode status = U_ZERO_ERROR;
    const icu::Normalizer2* normal = icu::Normalizer2::getNFKCCasefoldInstance(status);
    if (U_FAILURE(status)) return decoded;
    const icu::UnicodeString folded =
        normal->normalize(icu::UnicodeString::fromUTF8(decoded), status);
    std::string plain;
    folded.toUTF8String(plain);
    return plain;
}

struct FileCloser {
    void operator()(zip_file_t* file) const { zip_fclose(file); }
};

}  // namespace

std::string percent_decoded(std::string_view url) {
    std::string decoded;
    for (size_t i = 0; i < url.size(); ++i) {
        if (url[i] == '%' && i + 2 < url.size() && hex_value(url[i + 1]) >= 0 &&
            hex_value(url[i + 2]) >= 0) {
            decoded += static_cast<char>(hex_value(url[i + 1]) * 16 + hex_value(url[i + 2]));
            i += 2;
        } else {
            decoded += url[i];
        }
    }
    return decoded;
}

Error entry_error(const std::string& path, std::string_view entry, std::string_view what) {
    return make_error(ErrorCode::kCorrupt, path + ": " + std::string(entry) + ": " +
                                               std::string(what) +
                                               "; copy the file again or save it anew");
}

ReadNote damage_note(const ZipArchive& archive) {
    return {ReadNote::Kind::kUnread,
            {},
            1,
            "the archive's list of contents is damaged (" + archive.damage() +
                "): only the parts that could still be found are read; copy the file again"};
}

std::string without_place(const Error& error, const std::string& path, const std::string& entry) {
    std::string_view message = error.message;
    for (const std::string& place : {path + ": ", entry + ": "}) {
        if (message.starts_with(place)) message.remove_prefix(place.size());
    }
    return std::string(message);
}

Result<std::unique_ptr<ZipArchive>> ZipArchive::open(const SourceFile& source, uint64_t max_bytes) {
    // A description of its own: libzip seeks in it, and an unlinked spool has no other name.
    const std::string name = "/proc/self/fd/" + std::to_string(source.fd());
    const int fd = ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return make_error(ErrorCode::kIo, "cannot open " + source.path() + " again");
    int code = 0;
    zip_t* archive = zip_fdopen(fd, 0, &code);
    if (archive != nullptr) {
        return std::unique_ptr<ZipArchive>(new ZipArchive(archive, source.path(), max_bytes));
    }
    ::close(fd);
    const std::string problem = open_problem(code);
    Result<std::string> bytes = source.read_all(max_bytes);
    if (!bytes.ok()) return make_error(ErrorCode::kCorrupt, problem);
    std::unique_ptr<ZipArchive> repaired(new ZipArchive(nullptr, source.path(), max_bytes));
    repaired->repaired_ = with_new_directory(std::move(bytes).value());
    repaired->damage_ = problem;
    zip_source_t* buffer = zip_source_buffer_create(repaired->repaired_.data(),
                                                    repaired->repaired_.size(), 0, nullptr);
    if (buffer != nullptr && !repaired->repaired_.empty()) {
        repaired->archive_ = zip_open_from_source(buffer, ZIP_RDONLY, nullptr);
    }
    if (repaired->archive_ != nullptr) return repaired;
    zip_source_free(buffer);
    return make_error(ErrorCode::kCorrupt, problem);
}

ZipArchive::~ZipArchive() {
    if (archive_ != nullptr) zip_discard(archive_);
}

bool ZipArchive::contains(const std::string& name) const {
    return zip_name_locate(archive_, name.c_str(), 0) >= 0;
}

std::vector<std::string> ZipArchive::names() const {
    std::vector<std::string> names;
    const zip_int64_t count = zip_get_num_entries(archive_, 0);
    for (zip_int64_t i = 0; i < count; ++i) {
        const char* name = zip_get_name(archive_, static_cast<zip_uint64_t>(i), 0);
        if (name != nullptr && *name != '\0' && !std::string_view(name).ends_with('/')) {
            names.emplace_back(name);
        }
    }
    return names;
}

std::string ZipArchive::find(const std::string& name) const {
    if (contains(name)) return name;
    if (spellings_.empty()) {
        for (std::string& entry : names()) {
            std::string plain = plain_form(entry);
            spellings_.emplace(std::move(plain), std::move(entry));
        }
    }
    const auto found = spellings_.find(plain_form(name));
    return found == spellings_.end() ? std::string() : found->second;
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
                          path_ + ": " + name + ": encrypted; save the file without a password");
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
            exhausted_ = true;
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
