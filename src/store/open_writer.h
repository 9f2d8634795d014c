// A writer for a store that exists, whatever made it: for removing and repairing.
#pragma once

#include <memory>
#include <string>

#include "store/store.h"

namespace s3attn {

Result<std::unique_ptr<StoreWriter>> open_existing_writer(const std::string& directory);

}  // namespace s3attn
