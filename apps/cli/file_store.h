// Questions about files that are in no store: they are read into one in the cache, under a key of
// what they hold and of what reads them. Asked again, whatever they are called by then, nothing is
// read. Layout: CACHE/files/KEY/{entry.json, store/}, and CACHE/files/KEY.lock, held shared by who
// asks and exclusively by who reads or removes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "options.h"
#include "s3attn/engine.h"
#include "s3attn/store.h"

namespace s3attn::cli {

struct FileStore {
    Store store;
    Descriptor in_use;                  // locked: nobody removes it meanwhile
    bool from_cache = false;            // nothing was read in this run
    std::vector<std::string> problems;  // what of the files could not be read
};

// Whether these words name a store rather than files: one directory that holds a catalogue, or
// something that is not there.
bool names_a_store(const std::vector<std::string>& words);

// Files and folders as a store. Another run that reads the same files is waited for; what an
// interrupted one has read is not read again. kNotFound where there is no file to read.
Result<FileStore> open_file_store(Engine& engine, std::vector<std::string> inputs,
                                  const GlobalOptions& options, const CancelToken& cancel);

struct CachedFiles {
    std::string key;
    std::vector<std::string> paths;  // of the files; none where it was interrupted
    bool complete = false;
    uint64_t bytes = 0;
    int64_t seconds_unused = 0;
};
// The last used first.
Result<std::vector<CachedFiles>> list_file_stores(const std::string& cache_dir);
// False: somebody asks it, or reads into it, and it stays.
Result<bool> remove_file_store(const std::string& cache_dir, const std::string& key);

}  // namespace s3attn::cli
