#include "retrieve/score_lanes.h"

#include <algorithm>
#include <cmath>

#include "retrieve/score_kernel.h"

namespace s3attn {
namespace {

// Sum units per unit of score: the largest weight times the headroom fills 16 bits.
float step_of(float largest, uint32_t k) {
    const auto headroom = static_cast<float>(std::clamp(k, 1u, kMaxHeadroom));
    return largest * kActivationUnit / (32767.0f / headroom - 1.0f);
}
float scale_of(float step) { return step > 0 ? kActivationUnit / step : 0.0f; }
int16_t fixed_point(float weight, float scale) {
    const float value = weight * scale;
    return static_cast<int16_t>(value + std::copysign(0.5f, value));
}

std::vector<float> lane_steps(const QueryCodes& query, const Lanes& lanes, uint32_t k) {
    std::vector<float> step;
    for (const size_t j : lanes.heads) {
        std::vector<float> largest(query.n_tokens);
        const float* row = query.heads[j].weight.data();
        for (uint32_t f = 0; f < query.latents; ++f, row += query.n_tokens) {
            for (uint32_t i = 0; i < query.n_tokens; ++i) {
                largest[i] = std::max(largest[i], std::abs(row[i]));
            }
        }
        for (const float value : largest) step.push_back(step_of(value, k));
    }
    return step;
}

}  // namespace

Lanes lanes_of_slot(const QueryCodes& query, uint32_t slot) {
    Lanes lanes;
    lanes.n_tokens = query.n_tokens;
    for (size_t j = 0; j < query.heads.size(); ++j) {
        if (query.heads[j].slot == slot) lanes.heads.push_back(j);
    }
    const uint32_t total = lanes.size();
    lanes.n_groups = (total + kMaxGroupLanes - 1) / kMaxGroupLanes;
    if (total == 0) return lanes;
    const uint32_t per_group = (total + lanes.n_groups - 1) / lanes.n_groups;
    lanes.group_lanes = (per_group + kLaneWidth - 1) / kLaneWidth * kLaneWidth;
    return lanes;
}

LaneTable make_lane_table(const QueryCodes& query, const Lanes& lanes, uint32_t k) {
    LaneTable table;
    table.step = lane_steps(query, lanes, k);
    table.weight.resize(size_t{query.latents} * lanes.stride());
    const size_t group_size = size_t{query.latents} * lanes.group_lanes;
    std::vector<float> scale(table.step.size());
    std::transform(table.step.begin(), table.step.end(), scale.begin(), scale_of);
    size_t lane = 0;
    for (const size_t j : lanes.heads) {
        const float* weight = query.heads[j].weight.data();
        for (uint32_t i = 0; i < query.n_tokens;) {
            const size_t group = lane / lanes.group_lanes, in_group = lane % lanes.group_lanes;
            const auto n = static_cast<uint32_t>(
                std::min<size_t>(query.n_tokens - i, lanes.group_lanes - in_group));
            int16_t* out = table.weight.data() + group * group_size + in_group;
            for (uint32_t f = 0; f < query.latents; ++f, out += lanes.group_lanes) {
                const float* row = weight + size_t{f} * query.n_tokens + i;
                for (uint32_t l = 0; l < n; ++l) out[l] = fixed_point(row[l], scale[lane + l]);
            }
            i += n;
            lane += n;
        }
    }
    return table;
}

SparseLanes make_sparse_lanes(const QueryCodes& query, const Lanes& lanes,
                              const FeatureChoice& choice, uint32_t k) {
    SparseLanes sparse;
    constexpr uint32_t kUnwanted = UINT32_MAX;
    std::vector<uint32_t> index(query.latents, kUnwanted);
    for (const size_t j : lanes.heads) {
        for (const auto& features : choice.features[j]) {
            for (const uint32_t f : features) index[f] = 0;
        }
    }
    for (uint32_t f = 0; f < query.latents; ++f) {
        if (index[f] == kUnwanted) continue;
        index[f] = static_cast<uint32_t>(sparse.wanted.size());
        sparse.wanted.push_back(f);
    }
    sparse.begin.push_back(0);
    for (const size_t j : lanes.heads) {
        for (uint32_t i = 0; i < query.n_tokens; ++i) {
            const auto weight = [&](uint32_t f) {
                return query.heads[j].weight[size_t{f} * query.n_tokens + i];
            };
            float largest = 0;
            for (const uint32_t f : choice.features[j][i]) {
                largest = std::max(largest, std::abs(weight(f)));
            }
            sparse.step.push_back(step_of(largest, k));
            const float scale = scale_of(sparse.step.back());
            for (const uint32_t f : choice.features[j][i]) {
                const int16_t fixed = fixed_point(weight(f), scale);
                if (fixed != 0) sparse.weights.push_back({index[f], fixed});
            }
            sparse.begin.push_back(static_cast<uint32_t>(sparse.weights.size()));
        }
    }
    return sparse;
}

}  // namespace s3attn
