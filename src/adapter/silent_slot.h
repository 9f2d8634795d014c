// Tells keys that were no numbers from their codes, where the keys themselves stay on a device.
#pragma once

#include <cstdint>
#include <optional>

#include "adapter/codes.h"

namespace s3attn {

// A NaN of one token reaches every later one of its chunk through attention, and a row that is not
// finite has only padding. The first slot in which the last four tokens of a chunk have no active
// feature; nothing when there is none. Chunks are `chunk_tokens` long but for the batch's last; one
// of less than four tokens is not judged.
std::optional<uint32_t> silent_slot(const CodeBatch& codes, uint32_t chunk_tokens);

}  // namespace s3attn
