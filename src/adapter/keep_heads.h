// A smaller adapter made of one that is there: its best heads alone.
#pragma once

#include <cstdint>

#include "adapter/adapter.h"
#include "s3attn/result.h"

namespace s3attn {

// The adapter with its first `n` heads (they stand best first) and the slots that these read.
// Nothing is trained: shares of the mixture are scaled to sum to 1. An index of it holds fewer
// bytes a token; indexes of the whole adapter are of another key side. kInvalidArgument when there
// are not more than `n` heads.
Result<Adapter> keep_heads(const Adapter& adapter, uint32_t n);

}  // namespace s3attn
