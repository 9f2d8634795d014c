// Waits until something changes in folders, however deep, through inotify. What changed is not
// kept: the caller looks again at all of it, so that neither lost events (the kernel's queue runs
// over) nor folders made meanwhile matter, and memory is that of one watch a folder.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/owned_file.h"
#include "s3attn/progress.h"
#include "s3attn/result.h"
#include "sync/folder_sync.h"

namespace s3attn::apps {

class FolderWatch {
  public:
    // `except`: a folder below which nothing counts (the store itself).
    static Result<FolderWatch> open(std::vector<std::string> folders, const std::string& except);

    // Watches every folder that there is now. To be called before the caller looks: what changes
    // afterwards is waited for.
    Status refresh();
    // Returns when something has changed and nothing has for `quiet`, or changes have gone on for
    // ten times that; or when `cancel` has fired. Where folders cannot all be watched: after a
    // minute too.
    Status wait(std::chrono::milliseconds quiet, const CancelToken& cancel);
    // Why folders are looked through every minute instead; empty: all are watched.
    const std::string& limit() const { return limit_; }
    size_t watched() const { return paths_.size(); }

  private:
    FolderWatch(Descriptor notify, std::vector<std::string> folders, std::string except)
        : notify_(std::move(notify)), folders_(std::move(folders)), except_(std::move(except)) {}
    Status add(const std::string& folder);
    bool drain();

    Descriptor notify_;
    std::vector<std::string> folders_;
    std::string except_, limit_;
    std::unordered_map<int, std::string> paths_;  // by watch
};

// Brings the store to what the folders hold, again and again until `cancel` fires. `on_run` gets
// what each run did, and whether it was the first; it says whether to go on. `on_limit` gets
// FolderWatch::limit() where it is not empty and new.
struct KeepInStep {
    std::chrono::milliseconds quiet{2000};
    MayDrop may_drop;
    std::function<bool(const Result<SyncReport>& report, bool first)> on_run;
    std::function<void(const std::string& limit)> on_limit;
};
Status keep_in_step(const SyncOptions& options, const KeepInStep& how, SyncTarget& target,
                    const CancelToken& cancel);

}  // namespace s3attn::apps
