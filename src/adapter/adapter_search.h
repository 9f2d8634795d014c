// Finds the adapter that was made for a model.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "s3attn/result.h"

namespace s3attn {

// The adapter directory made for the model of this file hash or, where there is none, of this
// identity (ModelInfo::identity; may be empty): another quantisation of the same model. Each of
// `dirs` may be an adapter itself or hold adapters; earlier directories win, then names in
// alphabetical order. Only adapter.json is read. kNotFound says which models there are adapters
// for, and what could not be read.
Result<std::string> find_adapter(const std::vector<std::string>& dirs, std::string_view model_hash,
                                 std::string_view model_identity);

}  // namespace s3attn
