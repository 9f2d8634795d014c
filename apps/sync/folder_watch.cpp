#include "sync/folder_watch.h"

#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <set>

#include "base/files.h"

namespace s3attn::apps {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
constexpr uint32_t kEvents = IN_CREATE | IN_DELETE | IN_CLOSE_WRITE | IN_MODIFY | IN_MOVED_FROM |
                             IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr auto kLookUp = std::chrono::milliseconds(100);
constexpr auto kWithoutWatch = std::chrono::minutes(1);
constexpr int kMostQuiet = 10;  // quiet periods that changes may go on for

}  // namespace

Result<FolderWatch> FolderWatch::open(std::vector<std::string> folders, const std::string& except) {
    Descriptor notify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (!notify.open()) return errno_error("cannot watch", folders.front());
    std::error_code error;
    const std::string store = fs::weakly_canonical(fs::absolute(except, error), error).string();
    return FolderWatch(std::move(notify), std::move(folders), store);
}

Status FolderWatch::add(const std::string& folder) {
    const int watch = ::inotify_add_watch(notify_.get(), folder.c_str(), kEvents);
    if (watch >= 0) {
        paths_[watch] = folder;
        return {};
    }
    if (errno == ENOENT || errno == ENOTDIR || errno == EACCES) return {};  // the walk tells
    limit_ = errno == ENOSPC ? "more folders than fs.inotify.max_user_watches allows to watch"
                             : errno_error("cannot watch", folder).message;
    return {};
}

// As the walk for documents goes: hidden folders apart, links followed once.
Status FolderWatch::refresh() {
    limit_.clear();
    std::vector<std::string> open(folders_.rbegin(), folders_.rend());
    std::set<std::pair<dev_t, ino_t>> seen;
    const std::unordered_map<int, std::string> before = std::move(paths_);
    paths_.clear();
    while (!open.empty()) {
        const std::string folder = std::move(open.back());
        open.pop_back();
        struct stat status {};
        if (::stat(folder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) continue;
        if (!seen.insert({status.st_dev, status.st_ino}).second) continue;
        std::error_code error;
        if (fs::canonical(folder, error).string() == except_) continue;
        S3ATTN_CHECK(add(folder));  // first: what comes while its entries are read counts
        std::error_code list_error;
        for (fs::directory_iterator at(folder, list_error), end; !list_error && at != end;
             at.increment(list_error)) {
            std::error_code ignored;
            const bool hidden = at->path().filename().string().starts_with('.');
            if (!hidden && at->is_directory(ignored)) open.push_back(at->path().string());
        }
    }
    for (const auto& [watch, path] : before) {
        if (!paths_.contains(watch)) ::inotify_rm_watch(notify_.get(), watch);
    }
    return {};
}

// Whether anything had come.
bool FolderWatch::drain() {
    alignas(inotify_event) std::array<char, 1 << 16> buffer;
    bool any = false;
    for (;;) {
        const ssize_t got = ::read(notify_.get(), buffer.data(), buffer.size());
        if (got <= 0) return any;
        for (ssize_t at = 0; at < got;) {
            const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
            at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
            // A watch that was given up, or ended with its folder.
            any = any || (event->mask & IN_IGNORED) == 0;
        }
    }
}

Status FolderWatch::wait(std::chrono::milliseconds quiet, const CancelToken& cancel) {
    const auto begin = Clock::now();
    std::optional<Clock::time_point> first, last;
    while (!cancel.cancelled()) {
        pollfd polled{notify_.get(), POLLIN, 0};
        if (::poll(&polled, 1, static_cast<int>(kLookUp.count())) < 0 && errno != EINTR) {
            return errno_error("cannot wait for changes of", folders_.front());
        }
        const auto now = Clock::now();
        if (drain()) {
            last = now;
            first = first.value_or(now);
        }
        if (last && now - *last >= quiet) return {};
        if (first && now - *first >= quiet * kMostQuiet) return {};
        if (!limit_.empty() && now - begin >= kWithoutWatch) return {};
    }
    return {};
}

Status keep_in_step(const SyncOptions& options, const KeepInStep& how, SyncTarget& target,
                    const CancelToken& cancel) {
    S3ATTN_TRY(FolderWatch watch, FolderWatch::open(options.folders, options.store));
    std::string limit;
    for (bool first = true; !cancel.cancelled(); first = false) {
        S3ATTN_CHECK(watch.refresh());
        if (watch.limit() != limit && !watch.limit().empty()) how.on_limit(watch.limit());
        limit = watch.limit();
        if (!how.on_run(sync_folders(options, target, how.may_drop, cancel), first)) return {};
        S3ATTN_CHECK(watch.wait(how.quiet, cancel));
    }
    return {};
}

}  // namespace s3attn::apps
