// What a reader and the verifier both start from: the catalogue with an open read transaction.
#pragma once

#include <memory>
#include <string>

#include "s3attn/result.h"
#include "store/sqlite.h"
#include "store/writer_lock.h"

namespace s3attn {

struct CatalogSnapshot {
    std::unique_ptr<WriterLock> lock;  // only where the directory cannot be written
    std::unique_ptr<Database> db;
};

Result<CatalogSnapshot> open_snapshot(const std::string& directory);

}  // namespace s3attn
