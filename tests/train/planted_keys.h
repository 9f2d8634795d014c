// Keys of which the right dictionary is known.
#pragma once

#include <cstdint>
#include <vector>

#include "train/kernels.h"
#include "train/rng.h"
#include "train/rows.h"

namespace s3attn {

inline std::vector<float> unit_rows(uint32_t rows, uint32_t d, uint64_t seed) {
    Rng rng(seed);
    std::vector<float> x(static_cast<size_t>(rows) * d);
    for (float& v : x) v = static_cast<float>(rng.normal());
    for (uint32_t r = 0; r < rows; ++r) normalise(x.data() + static_cast<size_t>(r) * d, d);
    return x;
}

// Keys that are sparse sums of `n_directions` hidden directions, around a mean.
inline HalfRows planted_keys(uint32_t d, uint32_t n_directions, size_t n, uint64_t seed) {
    const std::vector<float> directions = unit_rows(n_directions, d, seed);
    Rng rng(seed + 7);
    HalfRows keys(d);
    std::vector<float> row(d);
    for (size_t t = 0; t < n; ++t) {
        for (float& v : row) v = 3.0f + static_cast<float>(0.02 * rng.normal());
        for (int j = 0; j < 2; ++j) {
            const float* direction = directions.data() + rng.below(n_directions) * d;
            const float size = static_cast<float>(0.5 + rng.uniform());
            for (uint32_t i = 0; i < d; ++i) row[i] += size * direction[i];
        }
        keys.append(row.data(), 1, d);
    }
    return keys;
}

}  // namespace s3attn
