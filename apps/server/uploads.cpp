#include "uploads.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "base/files.h"
#include "model/utf8.h"
#include "store_calls.h"

namespace s3attn::server {
namespace {

namespace fs = std::filesystem;
constexpr size_t kLongestName = 200;
constexpr std::string_view kIncoming = ".incoming-";

bool is_scanned(const std::vector<DocumentInfo>& documents, const fs::path& file) {
    const std::string end = "/" + std::string(kUploadsFolder) + "/" + file.filename().string();
    for (const DocumentInfo& document : documents) {
        if (!document.complete || !document.path.ends_with(end)) continue;
        const auto hash = hash_file(file.string());
        if (hash.ok() && *hash == document.source_hash) return true;
    }
    return false;
}

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const size_t length = utf8_length(text);
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

}  // namespace

std::string problem_of_name(const std::string& name) {
    if (name.empty()) return "the document has no name";
    if (name.size() > kLongestName) return "the name is longer than 200 bytes";
    if (name.front() == '.') return "the name begins with a dot";
    for (const char c : name) {
        if (c == '/' || c == '\\') return "the name has a slash: a name, not a path, is wanted";
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f) return "the name has a control character";
    }
    if (!is_utf8(name)) return "the name is not valid UTF-8";
    return {};
}

Result<std::unique_ptr<IncomingFile>> IncomingFile::create(const std::string& folder) {
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) {
        return make_error(ErrorCode::kIo, "cannot make '" + folder + "': " + error.message());
    }
    std::string path = folder + "/" + std::string(kIncoming) + "XXXXXX";
    const int file = ::mkostemp(path.data(), O_CLOEXEC);
    if (file < 0) return errno_error("cannot write to", folder);
    return std::unique_ptr<IncomingFile>(new IncomingFile(file, folder, path));
}

IncomingFile::~IncomingFile() {
    ::close(file_);
    if (!kept_) ::unlink(path_.c_str());
}

Status IncomingFile::write(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(file_, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return errno_error("cannot write to", folder_);
        bytes.remove_prefix(static_cast<size_t>(written));
        bytes_ += static_cast<uint64_t>(written);
    }
    return {};
}

Result<std::string> IncomingFile::keep(const std::string& name) {
    const std::string path = folder_ + "/" + name;
    if (::fchmod(file_, 0644) != 0 || ::fsync(file_) != 0) return errno_error("cannot sync", path);
    if (::rename(path_.c_str(), path.c_str()) != 0) return errno_error("cannot name", path);
    kept_ = true;
    S3ATTN_CHECK(sync_directory(folder_));
    return path;
}

std::vector<std::string> unfinished_uploads(const std::string& folder, const std::string& store) {
    std::vector<std::string> names;
    const auto listed = list_store(store);
    const std::vector<DocumentInfo> documents = listed.ok() ? *listed : std::vector<DocumentInfo>();
    std::error_code error;
    for (fs::directory_iterator entries(folder, error), end; !error && entries != end;
         entries.increment(error)) {
        const std::string name = entries->path().filename().string();
        if (name.starts_with(kIncoming)) {
            ::unlink(entries->path().c_str());
        } else if (entries->is_regular_file(error) && !is_scanned(documents, entries->path())) {
            names.push_back(name);
        }
    }
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace s3attn::server
