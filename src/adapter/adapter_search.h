// Finds the adapter that was made for a model.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "s3attn/result.h"

namespace s3attn {

// The adapter directory made for the model with this hash. Each of `dirs` may be an adapter itself
// or hold adapters; earlier directories win, then names in alphabetical order. Only adapter.json is
// read. kNotFound lists what was seen instead.
Result<std::string> find_adapter(const std::vector<std::string>& dirs, std::string_view model_hash);

}  // namespace s3attn
