#include "uploads.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "base/files.h"
#include "base/utf8.h"
#include "store_calls.h"

namespace s3attn::server {
namespace {

namespace fs = std::filesystem;
constexpr size_t kLongestName = 255;  // what file systems take
constexpr size_t kShownName = 60;     // of a long one, in a message
constexpr std::string_view kIncoming = ".incoming-";
constexpr std::string_view kOwnFolder = ".job-";

bool is_scanned(const std::vector<DocumentInfo>& documents, const fs::path& file) {
    const std::string end = "/" + std::string(kUploadsFolder) + "/" + file.filename().string();
    for (const DocumentInfo& document : documents) {
        if (!document.complete || !document.path.ends_with(end)) continue;
        const auto hash = hash_file(file.string());
        if (hash.ok() && *hash == document.source_hash) return true;
    }
    return false;
}

bool is_there(const std::string& path) {
    std::error_code ignored;
    return fs::exists(fs::symlink_status(path, ignored));
}

Status move_file(const std::string& from, const std::string& to) {
    if (::rename(from.c_str(), to.c_str()) == 0) return {};
    return errno_error("cannot rename to", to);
}

// Names in a folder, sorted.
std::vector<std::string> names_in(const std::string& folder) {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator entries(folder, error), end; !error && entries != end;
         entries.increment(error)) {
        names.push_back(entries->path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
}

// The first part of a name that is too long to be shown whole, cut between characters.
std::string shown_name(const std::string& name) {
    size_t end = std::min(name.size(), kShownName);
    while (end > 0 && end < name.size() && utf8_continues(name[end])) --end;
    return name.substr(0, end) + (end < name.size() ? "..." : "");
}

}  // namespace

std::string problem_of_name(const std::string& name) {
    if (name.empty()) return "the document has no name";
    if (name.size() > kLongestName) {
        return "the name '" + (is_utf8(name) ? shown_name(name) : "?") + "' has " +
               std::to_string(name.size()) + " bytes; at most " + std::to_string(kLongestName) +
               " are taken";
    }
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
    auto file = OwnedFile::create_unique(folder + "/" + std::string(kIncoming));
    if (!file.ok()) return file.error();
    return std::unique_ptr<IncomingFile>(new IncomingFile(*std::move(file), folder));
}

Status IncomingFile::write(std::string_view bytes) {
    S3ATTN_CHECK(file_.write(bytes));
    bytes_ += bytes.size();
    return {};
}

Result<std::shared_ptr<UploadedFile>> IncomingFile::keep(const std::string& name) {
    // The time in front: what waited goes on in the order in which it came.
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto order = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
    std::string own = folder_ + "/" + std::string(kOwnFolder) + std::to_string(order) + "-XXXXXX";
    if (::mkdtemp(own.data()) == nullptr) return errno_error("cannot write to", folder_);
    auto file = std::make_shared<UploadedFile>(folder_, name, own, false);
    const auto name_it = [&]() -> Status {
        for (const char* part : {"/waiting", "/previous"}) {
            if (::mkdir((own + part).c_str(), 0755) != 0)
                return errno_error("cannot write to", own);
        }
        S3ATTN_CHECK(file_.rename_to(own + "/waiting/" + name));
        for (const std::string& folder : {own, folder_}) {
            S3ATTN_CHECK(sync_directory(folder));
        }
        return {};
    };
    const Status named = name_it();
    if (named.ok()) return file;
    file->withdraw();
    return named.error();
}

Status UploadedFile::take_place() {
    if (in_place_) return {};
    if (is_there(path())) S3ATTN_CHECK(move_file(path(), part("previous/") + name_));
    const Status moved = move_file(part("waiting/") + name_, path());
    if (!moved.ok()) {
        [[maybe_unused]] const auto back = move_file(part("previous/") + name_, path());
        return moved;
    }
    in_place_ = true;
    return sync_directory(folder_);
}

void UploadedFile::settle() {
    std::error_code ignored;
    forget_earlier();  // first, so that what an interruption leaves cannot be taken for more
    if (!own_folder_.empty()) fs::remove_all(own_folder_, ignored);
}

void UploadedFile::forget_earlier() {
    if (!own_folder_.empty()) ::unlink((part("previous/") + name_).c_str());
}

void UploadedFile::withdraw() {
    const std::string previous = part("previous/") + name_;
    if (in_place_) {
        if (own_folder_.empty() || !is_there(previous)) {
            ::unlink(path().c_str());
        } else {
            [[maybe_unused]] const auto back = move_file(previous, path());
        }
    }
    settle();
}

namespace {

// The upload whose folder this is; nothing when there is nothing left to do for it.
std::shared_ptr<UploadedFile> upload_of(const std::string& folder, const std::string& own,
                                        const std::vector<DocumentInfo>& documents) {
    const auto waiting = names_in(own + "/waiting"), previous = names_in(own + "/previous");
    bool running = waiting.empty() && !previous.empty();
    if (!previous.empty() && !is_there(folder + "/" + previous[0])) {
        // Ended between the two steps of take_place().
        [[maybe_unused]] const auto back =
            move_file(own + "/previous/" + previous[0], folder + "/" + previous[0]);
        running = false;
    }
    if (!waiting.empty()) return std::make_shared<UploadedFile>(folder, waiting[0], own, false);
    if (running && !is_scanned(documents, folder + "/" + previous[0])) {
        return std::make_shared<UploadedFile>(folder, previous[0], own, true);
    }
    UploadedFile(folder, "", own, true).settle();
    return nullptr;
}

}  // namespace

std::vector<std::shared_ptr<UploadedFile>> unfinished_uploads(const std::string& folder,
                                                              const std::string& store) {
    std::vector<std::shared_ptr<UploadedFile>> running, waiting;
    const auto listed = list_store(store);
    const std::vector<DocumentInfo> documents = listed.ok() ? *listed : std::vector<DocumentInfo>();
    const std::vector<std::string> names = names_in(folder);
    for (const std::string& name : names) {
        if (name.starts_with(kIncoming)) ::unlink((folder + "/" + name).c_str());
        if (!name.starts_with(kOwnFolder)) continue;
        auto file = upload_of(folder, folder + "/" + name, documents);
        if (file) (file->in_place() ? running : waiting).push_back(std::move(file));
    }
    for (const std::string& name : names) {
        const std::string path = folder + "/" + name;
        std::error_code error;
        if (name.starts_with(".") || !fs::is_regular_file(path, error)) continue;
        const bool known = std::any_of(running.begin(), running.end(),
                                       [&](const auto& file) { return file->path() == path; });
        if (known || is_scanned(documents, path)) continue;
        running.push_back(std::make_shared<UploadedFile>(folder, name, "", true));
    }
    running.insert(running.end(), waiting.begin(), waiting.end());
    return running;
}

void remove_uploaded(const std::string& folder, const std::string& path) {
    if (fs::path(path).parent_path() == folder) ::unlink(path.c_str());
}

}  // namespace s3attn::server
