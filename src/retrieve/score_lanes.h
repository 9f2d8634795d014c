// Lanes: one question token of one query head each. Their weights in 16-bit fixed point.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "adapter/codes.h"
#include "retrieve/feature_choice.h"

namespace s3attn {

// The lanes of one slot: token i of head heads[h] is lane h * n_tokens + i. Rows of lane values are
// stride() wide, cut into groups that fit the dense kernel's registers.
struct Lanes {
    std::vector<size_t> heads;
    uint32_t n_tokens = 0;
    uint32_t group_lanes = 0, n_groups = 0;
    uint32_t size() const { return static_cast<uint32_t>(heads.size()) * n_tokens; }
    uint32_t stride() const { return group_lanes * n_groups; }
};
Lanes lanes_of_slot(const QueryCodes& query, uint32_t slot);

// Up to so many postings a token can have without its sum leaving 16 bits; with more, a sum may
// saturate, but none that a real code of norm 1 makes.
inline constexpr uint32_t kMaxHeadroom = 16;

// Every feature's weight for every lane. Each lane has its own scale: its largest weight times
// min(k, kMaxHeadroom) fills 16 bits. Rounding moves a score by about 1e-4 where the largest
// product of weight and activation is 0.5, a tenth of what the 8-bit activations themselves lose.
struct LaneTable {
    std::vector<int16_t> weight;  // [group][latents][group_lanes]
    std::vector<float> step;      // [lane] score of one unit of the kernel's sums
};
LaneTable make_lane_table(const QueryCodes& query, const Lanes& lanes, uint32_t k);

// The same for chosen features only, with the same numbers as a table whose other weights are 0.
struct SparseLanes {
    struct Weight {
        uint32_t index = 0;  // into `wanted`
        int16_t weight = 0;
    };
    std::vector<uint32_t> wanted;  // features of any lane, ascending
    std::vector<Weight> weights;   // lane by lane, features ascending
    std::vector<uint32_t> begin;   // [lanes + 1] into weights
    std::vector<float> step;       // [lane]
};
SparseLanes make_sparse_lanes(const QueryCodes& query, const Lanes& lanes,
                              const FeatureChoice& choice, uint32_t k);

}  // namespace s3attn
