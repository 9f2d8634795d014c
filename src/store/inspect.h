// What a store says about its features, without a model.
#pragma once

#include <string>

#include "s3attn/engine.h"
#include "s3attn/result.h"

namespace s3attn {

// inspect_store() of s3attn/engine.h but for the names of tokens. Of the occurrences the
// `options.limit` strongest.
Result<InspectReport> inspect_postings(const std::string& store, const InspectOptions& options);

}  // namespace s3attn
