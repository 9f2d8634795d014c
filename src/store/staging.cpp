#include "store/staging.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <vector>

#include "base/directory.h"
#include "base/files.h"
#include "base/guarded.h"
#include "s3attn/reason.h"
#include "store/layout.h"

namespace s3attn {
namespace {

namespace fs = std::filesystem;

std::string without_slash(std::string path) {
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    return path;
}

Error exists(const std::string& path) {
    return make_error(ErrorCode::kInvalidArgument, reason::kExists, path,
                      "'" + path + "' exists already; remove it or choose another name");
}

bool is_ours(const std::string& name) {
    return name.starts_with(kCatalogFile) || is_segment_file_name(name) ||
           is_temporary_file_name(name);
}

}  // namespace

Status rename_to_new(const std::string& from, const std::string& to) {
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) != 0) {
        if (errno == EEXIST) return exists(to);
        if (errno != EINVAL) return errno_error("cannot rename to", to);
        // A file system without that flag: look first, then rename.
        struct stat info {};
        if (::lstat(to.c_str(), &info) == 0) return exists(to);
        if (::rename(from.c_str(), to.c_str()) != 0) return errno_error("cannot rename to", to);
    }
    return sync_directory(fs::path(to).parent_path().string());
}

Result<std::unique_ptr<StagingDirectory>> StagingDirectory::create(const std::string& name) {
    const std::string target = without_slash(name);
    if (target.empty()) {
        return make_error(ErrorCode::kInvalidArgument, "the store's name is empty");
    }
    struct stat info {};
    if (::lstat(target.c_str(), &info) == 0) return exists(target);
    const std::string path = target + ".importing";
    if (::mkdir(path.c_str(), 0755) != 0) {
        if (errno != EEXIST) return errno_error("cannot make", path);
        if (::lstat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) return exists(path);
    }
    std::unique_ptr<StagingDirectory> staging(new StagingDirectory(target, path));
    auto lock = WriterLock::exclusive(path);
    if (!lock.ok()) {
        staging->published_ = true;  // somebody else's: nothing of it is touched
        return lock.error();
    }
    staging->lock_ = std::move(*lock);
    S3ATTN_CHECK(staging->remove_files());
    return staging;
}

Status StagingDirectory::remove_files() const {
    S3ATTN_TRY(const auto names, list_directory(path_));
    for (const std::string& file : names) {
        if (!is_ours(file) && file != kLockFile) {
            return make_error(ErrorCode::kInvalidArgument, "'" + path_ + "' holds '" + file +
                                                               "', which is no part of a store; "
                                                               "move it away and try again");
        }
    }
    for (const std::string& file : names) {
        if (file == kLockFile) continue;
        const std::string full = path_ + "/" + file;
        if (::unlink(full.c_str()) != 0) return errno_error("cannot remove", full);
    }
    return {};
}

Status StagingDirectory::publish() {
    S3ATTN_CHECK(sync_directory(path_));
    S3ATTN_CHECK(rename_to_new(path_, target_));
    published_ = true;
    return {};
}

StagingDirectory::~StagingDirectory() {
    if (published_) return;
    // Where it fails, the next import of that name does it.
    [[maybe_unused]] const Status ignored = guarded([&]() -> Status {
        S3ATTN_CHECK(remove_files());
        ::unlink((path_ + "/" + kLockFile).c_str());
        ::rmdir(path_.c_str());
        return {};
    });
}

}  // namespace s3attn
