// Which features of a question are read when not all of them are.
#pragma once

#include <cstdint>
#include <vector>

#include "adapter/codes.h"
#include "base/parallel.h"
#include "s3attn/result.h"
#include "store/store.h"

namespace s3attn {

// features[head][question token]: ascending.
struct FeatureChoice {
    std::vector<std::vector<std::vector<uint32_t>>> features;
};

// Mean activation of every feature, [slot][latents], from a few blocks of each segment; the
// overall mean where a feature does not occur in them.
using FeatureMeans = std::vector<std::vector<float>>;
Result<FeatureMeans> feature_means(const StoreReader& store);

// Per head and question token the `max_features` features with the largest weight x mean
// activation, ties by feature; never one of weight 0.
FeatureChoice choose_features(const QueryCodes& query, uint32_t max_features,
                              const FeatureMeans& means, ThreadPool& pool);

// The question with every other weight set to 0: what scoring with a choice is exact for.
QueryCodes keep_chosen(const QueryCodes& query, const FeatureChoice& choice);

}  // namespace s3attn
