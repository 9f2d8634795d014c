// Steps that the fast encoder and its reference twin do alike, before and after the top k.
#pragma once

#include <cstdint>

#include "adapter/adapter.h"
#include "adapter/encoder.h"

namespace s3attn {

// In four chains, because one chain of additions would cost more than the encoder's product.
template <class At>
double sum_of_squares(uint32_t n, const At& at) {
    double sums[4] = {0, 0, 0, 0};
    uint32_t i = 0;
    for (; i + 4 <= n; i += 4) {
        for (uint32_t j = 0; j < 4; ++j) sums[j] += double{at(i + j)} * double{at(i + j)};
    }
    for (; i < n; ++i) sums[0] += double{at(i)} * double{at(i)};
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

// x = unit(row - mean) - offset, computed in double. False (x undefined) when the row has no
// direction: equal to the mean, or not finite. `offset` may be null.
bool centre_and_normalise(const float* row, const float* mean, const float* offset, uint32_t d,
                          double* x);

// The byte for a positive activation: nearest multiple of `scale`, clamped to 1..255.
uint8_t quantise_activation(double activation, double scale);

}  // namespace s3attn
