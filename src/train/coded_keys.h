// Keys as the index holds them: encoded, stored in eight bits, and rebuilt.
#pragma once

#include <cstdint>

#include "adapter/adapter.h"
#include "train/rows.h"

namespace s3attn {

// Raw keys of slot `slot` -> sum over the stored features of activation * decoder row. The dot
// product of a query with such a row is exactly what the index computes.
HalfRows rebuild_keys(const Adapter& adapter, uint32_t slot, const HalfRows& keys,
                      uint32_t threads);
// unit(key - mean), without coding.
HalfRows exact_keys(const std::vector<float>& mean, const HalfRows& keys);

// Byte step such that 99.9 % of `activations` fit into 255 steps. Reorders its argument.
float activation_scale_for(std::vector<float>& activations);

}  // namespace s3attn
