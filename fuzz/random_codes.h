// Random codes for the seeds of the targets that read an index.
#pragma once

#include <algorithm>
#include <random>
#include <set>

#include "adapter/codes.h"
#include "store/store.h"

namespace s3attn::fuzz {

inline CodeBatch random_codes(uint32_t seed, uint32_t n_tokens, const StoreShape& shape) {
    std::mt19937 random(seed);
    CodeBatch codes;
    codes.n_tokens = n_tokens;
    codes.n_slots = shape.n_slots;
    codes.k = shape.k;
    for (uint64_t group = 0; group < uint64_t{n_tokens} * shape.n_slots; ++group) {
        std::set<uint16_t> active;
        while (active.size() < std::min(shape.k, shape.latents)) {
            active.insert(static_cast<uint16_t>(random() % shape.latents));
        }
        for (const uint16_t f : active) {
            codes.feature.push_back(f);
            codes.activation.push_back(static_cast<uint8_t>(random() % 256));
        }
        codes.feature.resize((group + 1) * shape.k);
        codes.activation.resize((group + 1) * shape.k);
    }
    return codes;
}

}  // namespace s3attn::fuzz
