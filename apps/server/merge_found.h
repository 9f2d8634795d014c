// Evidence of several stores as if it were of one.
#pragma once

#include <utility>
#include <vector>

#include "questions.h"

namespace s3attn::server {

// Scores of different stores cannot be compared (each store's attention sums to 1), ranks can: the
// stores' first spans come first, then their second ones, and so on within the budget; of one rank
// the store whose best unit has the larger cosine to the question comes first. Stores without
// evidence are left out when another has some. `found` is not empty; pairs of store and result.
Found merge_found(std::vector<std::pair<size_t, SearchResult>> found, uint32_t budget_tokens,
                  uint32_t max_spans);

}  // namespace s3attn::server
