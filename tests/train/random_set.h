// A small random retrieval set.
#pragma once

#include "train/rng.h"
#include "train/scoring.h"

namespace s3attn {

inline std::vector<float> random_unit_rows(size_t rows, uint32_t d, Rng& rng) {
    std::vector<float> x(rows * d);
    for (float& v : x) v = static_cast<float>(rng.normal());
    for (size_t r = 0; r < rows; ++r) normalise(x.data() + r * d, d);
    return x;
}

inline RetrievalSet random_set(uint32_t d, uint32_t n_units, uint32_t n_questions, uint32_t n_slots,
                               uint32_t n_heads, uint64_t seed) {
    Rng rng(seed);
    RetrievalSet set;
    set.d = d;
    uint32_t at = 0;
    for (uint32_t p = 0; p < n_units; ++p) {
        const uint32_t n = 1 + static_cast<uint32_t>(rng.below(9));
        set.units.push_back({at, at + n});
        at += n;
    }
    for (uint32_t s = 0; s < n_slots; ++s) {
        HalfRows keys(d);
        keys.set_offset(std::vector<float>(d, 0.0f));
        const auto rows = random_unit_rows(at, d, rng);
        keys.append(rows.data(), at, d);
        set.keys.push_back(std::move(keys));
    }
    at = 0;
    for (uint32_t q = 0; q < n_questions; ++q) {
        const uint32_t n = 1 + static_cast<uint32_t>(rng.below(5));
        set.questions.push_back({at, at + n});
        set.gold.push_back({static_cast<uint32_t>(rng.below(n_units))});
        at += n;
    }
    for (uint32_t j = 0; j < n_heads; ++j) {
        set.heads.push_back({j % n_slots, random_unit_rows(at, d, rng)});
    }
    return set;
}

inline std::vector<QueryHeadParams> random_params(uint32_t d, uint32_t n_heads, uint64_t seed) {
    Rng rng(seed);
    std::vector<QueryHeadParams> params(n_heads, identity_params(d));
    for (QueryHeadParams& p : params) {
        for (float& v : p.map) v += static_cast<float>(0.2 * rng.normal());
        for (float& v : p.bias) v = static_cast<float>(0.2 * rng.normal());
        for (float& v : p.token_weight) v = static_cast<float>(rng.normal());
        p.log_temperature = static_cast<float>(1.5 + 0.3 * rng.normal());
        p.mixture_logit = static_cast<float>(0.5 * rng.normal());
    }
    return params;
}

}  // namespace s3attn
