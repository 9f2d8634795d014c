// Steps that the fast encoder and its reference twin do alike, before and after the top k.
#pragma once

#include <cstdint>

#include "adapter/adapter.h"
#include "adapter/encoder.h"

namespace s3attn {

// x = unit(row - mean) - offset, computed in double. False (x untouched) when the row has no
// direction: equal to the mean, or not finite. `offset` may be null.
bool centre_and_normalise(const float* row, const float* mean, const float* offset, uint32_t d,
                          double* x);

// The byte for a positive activation: nearest multiple of `scale`, clamped to 1..255.
uint8_t quantise_activation(double activation, double scale);

}  // namespace s3attn
