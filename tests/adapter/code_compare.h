// When two ways of coding a key agree: the same features, but for ties within a tolerance.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "adapter/adapter.h"
#include "adapter/codes.h"
#include "adapter/key_codes.h"

namespace s3attn::test {

// Pre-activations of one row in double, and how large their rounding errors can be.
struct Exact {
    bool has_direction = false;
    std::vector<double> pre;
    double magnitude = 0;  // of the largest sum of absolute terms
};

inline Exact exact_row(const Adapter& a, uint32_t slot_index, const float* row) {
    const KeySlot& slot = a.slots[slot_index];
    const SparseAutoencoder& sae = slot.sae;
    Exact exact;
    std::vector<double> x(a.d_head);
    exact.has_direction =
        centre_and_normalise(row, slot.mean_key.data(), sae.b_dec.data(), a.d_head, x.data());
    if (!exact.has_direction) return exact;
    exact.pre.resize(a.latents);
    for (uint32_t f = 0; f < a.latents; ++f) {
        double sum = sae.b_enc[f], size = std::abs(sum);
        for (uint32_t i = 0; i < a.d_head; ++i) {
            const double term = x[i] * sae.w_enc[size_t{i} * a.latents + f];
            sum += term;
            size += std::abs(term);
        }
        exact.pre[f] = sum;
        exact.magnitude = std::max(exact.magnitude, size);
    }
    return exact;
}

struct Code {
    std::vector<uint32_t> features;
    std::vector<uint32_t> activations;
};

inline Code code_at(const CodeBatch& batch, uint32_t t, uint32_t slot) {
    Code code;
    const size_t at = (size_t{t} * batch.n_slots + slot) * batch.k;
    for (uint32_t j = 0; j < batch.k; ++j) {
        if (batch.activation[at + j] == 0) {
            EXPECT_EQ(batch.feature[at + j], 0) << "padding names feature 0";
            continue;
        }
        EXPECT_EQ(code.features.size(), j) << "padding stands at the end";
        code.features.push_back(batch.feature[at + j]);
        code.activations.push_back(batch.activation[at + j]);
    }
    EXPECT_TRUE(std::is_sorted(code.features.begin(), code.features.end(),
                               [](uint32_t a, uint32_t b) { return a <= b; }))
        << "features ascend and are distinct";
    return code;
}

// Same features, but for pre-activations that are equal within the tolerance; then the bytes may
// differ too. With the same features the bytes differ by at most one.
inline void expect_same(const Adapter& a, uint32_t slot, const float* row, const Code& fast,
                        const Code& slow) {
    const Exact exact = exact_row(a, slot, row);
    if (fast.features == slow.features) {
        for (size_t j = 0; j < fast.features.size(); ++j) {
            EXPECT_LE(std::abs(int(fast.activations[j]) - int(slow.activations[j])), 1);
        }
        return;
    }
    ASSERT_TRUE(exact.has_direction);
    const double tolerance = 1e-5 * exact.magnitude;
    std::vector<double> ranked = exact.pre;
    std::sort(ranked.rbegin(), ranked.rend());
    const double kth = std::max(0.0, ranked[a.k - 1]);
    std::set<uint32_t> differing(fast.features.begin(), fast.features.end());
    for (const uint32_t f : slow.features) {
        if (!differing.erase(f)) differing.insert(f);
    }
    for (const uint32_t f : differing) EXPECT_NEAR(exact.pre[f], kth, tolerance) << f;
}

}  // namespace s3attn::test
