// What `sync` knows of files between runs, so that those that did not change are not opened:
// STORE/sync.json. It only spares work: where it is missing, or says something else than the
// catalogue, files are read again.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <string>

#include "s3attn/result.h"

namespace s3attn::apps {

struct FileState {
    // As stat(2) gives them. `modified` 0: the file was too young to be sure of.
    uint64_t bytes = 0, inode = 0;
    int64_t modified = 0, changed = 0;  // nanoseconds
    std::string folder;                 // that it was found in, canonical
    std::string hash;                   // of its document; empty: it has none
    std::string problem;                // why it has none

    bool same_as(const FileState& other) const {
        return modified != 0 && bytes == other.bytes && inode == other.inode &&
               modified == other.modified && changed == other.changed;
    }
};

struct SyncState {
    std::string reader;                      // the program and the converters that there were
    std::map<std::string, FileState> files;  // by canonical path

    static SyncState load(const std::string& store);
    Status save(const std::string& store) const;
};

// `now`: seconds since 1970, when `status` was asked for. A file that was written a moment before
// may be written again without its times telling.
FileState state_of(const struct stat& status, int64_t now);

}  // namespace s3attn::apps
