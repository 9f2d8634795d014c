#include "adapter/key_codes.h"

#include <algorithm>
#include <cmath>

namespace s3attn {

bool centre_and_normalise(const float* row, const float* mean, const float* offset, uint32_t d,
                          double* x) {
    // In double neither the largest nor the smallest floats overflow or vanish when squared.
    for (uint32_t i = 0; i < d; ++i) x[i] = double{row[i]} - double{mean[i]};
    const double sum = sum_of_squares(d, [&](uint32_t i) { return x[i]; });
    if (!(sum > 0) || !std::isfinite(sum)) return false;
    const double scale = 1.0 / std::sqrt(sum);
    for (uint32_t i = 0; i < d; ++i) x[i] *= scale;
    if (offset != nullptr) {
        for (uint32_t i = 0; i < d; ++i) x[i] -= double{offset[i]};
    }
    return true;
}

uint8_t quantise_activation(double activation, double scale) {
    return static_cast<uint8_t>(std::clamp(activation / scale, 1.0, 255.0) + 0.5);
}

}  // namespace s3attn
