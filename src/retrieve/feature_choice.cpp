#include "retrieve/feature_choice.h"

#include <algorithm>
#include <functional>

namespace s3attn {
namespace {

constexpr uint32_t kSampledBlocks = 4;  // in all, spread over the segments

Status add_block(const Segment& segment, uint32_t block, std::vector<std::vector<uint64_t>>& sum,
                 std::vector<std::vector<uint64_t>>& count) {
    BlockScratch scratch;
    for (uint32_t slot = 0; slot < segment.n_slots(); ++slot) {
        S3ATTN_TRY(const BlockView view, segment.read_block(slot, block, scratch));
        for (uint32_t f = 0; f < segment.latents(); ++f) {
            for (uint32_t i = view.feature_begin[f]; i < view.feature_begin[f + 1]; ++i) {
                sum[slot][f] += view.activation[i];
            }
            count[slot][f] += view.feature_begin[f + 1] - view.feature_begin[f];
        }
    }
    return {};
}

// The largest of `value` (float bits made comparable) without sorting all of it.
std::vector<uint32_t> largest(std::vector<float>& value, std::vector<float>& scratch,
                              uint32_t count) {
    std::vector<uint32_t> features;
    if (count == 0) return features;
    scratch.clear();
    for (const float v : value) {
        if (v > 0) scratch.push_back(v);
    }
    float threshold = 0;
    size_t ties = scratch.size();
    if (scratch.size() > count) {
        const auto nth = scratch.begin() + static_cast<std::ptrdiff_t>(count) - 1;
        std::nth_element(scratch.begin(), nth, scratch.end(), std::greater<>());
        threshold = *nth;
        ties = count - static_cast<size_t>(std::count_if(scratch.begin(), nth,
                                                         [&](float v) { return v > threshold; }));
    }
    for (uint32_t f = 0; f < value.size(); ++f) {
        if (value[f] > threshold && value[f] > 0) {
            features.push_back(f);
        } else if (value[f] == threshold && value[f] > 0 && ties > 0) {
            features.push_back(f);
            --ties;
        }
    }
    return features;
}

}  // namespace

Result<FeatureMeans> feature_means(const StoreReader& store) {
    const StoreShape& shape = store.shape();
    std::vector<std::vector<uint64_t>> sum(shape.n_slots, std::vector<uint64_t>(shape.latents));
    std::vector<std::vector<uint64_t>> count = sum;
    std::vector<std::pair<const Segment*, uint32_t>> blocks;
    for (const auto& segment : store.segments()) {
        for (uint32_t b = 0; b < segment->n_blocks(); ++b) blocks.emplace_back(segment.get(), b);
    }
    const size_t n = std::min<size_t>(blocks.size(), kSampledBlocks);
    for (size_t i = 0; i < n; ++i) {
        const auto& [segment, block] = blocks[i * blocks.size() / n];
        S3ATTN_CHECK(add_block(*segment, block, sum, count));
    }
    FeatureMeans means(shape.n_slots, std::vector<float>(shape.latents));
    for (uint32_t slot = 0; slot < shape.n_slots; ++slot) {
        uint64_t all_sum = 0, all_count = 0;
        for (uint32_t f = 0; f < shape.latents; ++f) {
            all_sum += sum[slot][f];
            all_count += count[slot][f];
        }
        const float overall =
            all_count == 0 ? 1.0f : static_cast<float>(all_sum) / static_cast<float>(all_count);
        for (uint32_t f = 0; f < shape.latents; ++f) {
            means[slot][f] = count[slot][f] == 0 ? overall
                                                 : static_cast<float>(sum[slot][f]) /
                                                       static_cast<float>(count[slot][f]);
        }
    }
    return means;
}

// Negative weights are left out: a token's best score comes from what speaks for it.
FeatureChoice choose_features(const QueryCodes& query, uint32_t max_features,
                              const FeatureMeans& means, ThreadPool& pool) {
    FeatureChoice choice;
    choice.features.resize(query.heads.size());
    pool.run(static_cast<uint32_t>(query.heads.size()), [&](uint32_t j) {
        const QueryCodes::Head& head = query.heads[j];
        const std::vector<float>& mean = means[head.slot];
        std::vector<std::vector<float>> value(query.n_tokens, std::vector<float>(query.latents));
        for (uint32_t f = 0; f < query.latents; ++f) {
            const float* row = &head.weight[size_t{f} * query.n_tokens];
            for (uint32_t i = 0; i < query.n_tokens; ++i) value[i][f] = row[i] * mean[f];
        }
        std::vector<float> scratch;
        for (uint32_t i = 0; i < query.n_tokens; ++i) {
            choice.features[j].push_back(largest(value[i], scratch, max_features));
        }
    });
    return choice;
}

QueryCodes keep_chosen(const QueryCodes& query, const FeatureChoice& choice) {
    QueryCodes kept = query;
    for (size_t j = 0; j < kept.heads.size(); ++j) {
        std::vector<float>& weight = kept.heads[j].weight;
        std::fill(weight.begin(), weight.end(), 0.0f);
        for (uint32_t i = 0; i < query.n_tokens; ++i) {
            for (const uint32_t f : choice.features[j][i]) {
                const size_t at = size_t{f} * query.n_tokens + i;
                weight[at] = query.heads[j].weight[at];
            }
        }
    }
    return kept;
}

}  // namespace s3attn
