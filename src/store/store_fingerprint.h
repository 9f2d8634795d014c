// What a store belongs to: the model and adapter it was made with, and the shape of its codes.
#pragma once

#include <string>

#include "s3attn/result.h"
#include "store/sqlite.h"
#include "store/store.h"

namespace s3attn {

Result<Fingerprint> load_fingerprint(Database& db);
Result<StoreShape> load_shape(Database& db);
// kMismatch names the first field that differs.
Status check_fingerprint(const std::string& directory, const Fingerprint& stored,
                         const Fingerprint& expected);
Status check_shape_equal(const std::string& directory, const StoreShape& stored,
                         const StoreShape& expected);

}  // namespace s3attn
