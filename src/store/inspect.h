// What a store says about its features, without a model.
#pragma once

#include <string>

#include "s3attn/result.h"
#include "s3attn/store.h"

namespace s3attn {

// Store::inspect(). Of the occurrences the `options.limit` strongest.
Result<InspectReport> inspect_postings(const std::string& store, const InspectOptions& options);

}  // namespace s3attn
