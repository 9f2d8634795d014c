// What readers, the verifier, export and merge start from: one state of the store that stays as it
// is while a writer goes on.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "s3attn/result.h"
#include "store/catalog.h"
#include "store/segment_file.h"
#include "store/sqlite.h"
#include "store/writer_lock.h"

namespace s3attn {

// The catalogue, with an open read transaction.
struct CatalogSnapshot {
    std::unique_ptr<WriterLock> lock;  // only where the directory cannot be written
    std::unique_ptr<Database> db;
};
Result<CatalogSnapshot> open_snapshot(const std::string& directory);

// The catalogue and, open, every segment it names.
struct StoreSnapshot {
    CatalogSnapshot catalog;
    StoreShape shape;
    Fingerprint fingerprint;
    std::vector<SegmentRow> rows;                        // by base
    std::vector<std::shared_ptr<SegmentFile>> segments;  // of rows, same order
};
// `expected` null: whatever made the store.
Result<StoreSnapshot> open_store_snapshot(const std::string& directory,
                                          const Fingerprint* expected);

}  // namespace s3attn
