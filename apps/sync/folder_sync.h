// One run of `sync`: a store is brought to what some folders hold.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "s3attn/engine.h"
#include "s3attn/progress.h"
#include "s3attn/store.h"
#include "s3attn/types.h"

namespace s3attn::apps {

struct SyncOptions {
    std::string store;
    std::vector<std::string> folders;
    bool follow_ignore_files = true;
    uint32_t batch_files = 0;  // read at a time; 0: all of them
};

struct SyncReport {
    uint64_t added = 0, replaced = 0, renamed = 0, resumed = 0, unchanged = 0;  // documents
    uint64_t ignored = 0;               // files, by ignore files
    std::vector<FileOutcome> files;     // all but the unchanged ones
    std::vector<DocumentInfo> dropped;  // whose files are gone, or ignored by now
    std::vector<DocumentInfo> kept;     // that were not dropped, for nobody allowed it
    std::vector<ReadNote> notes;        // of the walk
    std::map<std::string, uint64_t> passed_over;
    uint64_t tokens = 0;  // scanned
    double seconds = 0;
    bool cancelled = false;

    bool changed() const {
        return added + replaced + renamed + resumed > 0 || !dropped.empty() || !kept.empty();
    }
};

// What writes the store. Not called where there is nothing to write.
class SyncTarget {
  public:
    virtual ~SyncTarget() = default;
    virtual Result<IndexReport> index(const std::vector<std::string>& files) = 0;
    virtual Status remove(const std::vector<DocumentInfo>& documents) = 0;
};

// Whether `gone` may be dropped, of `all` documents that the folders had.
using MayDrop = std::function<bool(const std::vector<DocumentInfo>& gone, size_t all)>;

// A folder that is not there is an error, and nothing is changed. What lies in one that cannot be
// listed stays.
Result<SyncReport> sync_folders(const SyncOptions& options, SyncTarget& target,
                                const MayDrop& may_drop, const CancelToken& cancel);

}  // namespace s3attn::apps
