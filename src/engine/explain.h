// SearchOptions::explain: what passed along each arrow of a search.
#pragma once

#include "engine/attention.h"
#include "retrieve/evidence.h"
#include "s3attn/types.h"

namespace s3attn {

Explanation explain_search(const TraceInput& input, const Evidence& evidence,
                           const SearchResult& result);

}  // namespace s3attn
