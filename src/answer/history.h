// What was said before a question, cut to what the reader should see again.
#pragma once

#include <cstdint>
#include <vector>

#include "s3attn/reader.h"
#include "s3attn/result.h"
#include "s3attn/types.h"

namespace s3attn {

// The most tokens that a count by this reader may stand for.
uint64_t with_margin(const Reader& reader, uint64_t tokens);

// Puts the turns of options.history in front of `messages` as far as they fit its budget and, with
// the answer, the reader's window. Returns how many were left out. A turn too long to be counted
// within the budget is not tokenized.
Result<uint32_t> add_history(const Reader& reader, const AskOptions& options,
                             std::vector<ChatTurn>& messages);

}  // namespace s3attn
