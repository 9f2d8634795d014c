// How much the model's attention weighs against shared words for one question: what the two lists
// look like decides.
#pragma once

#include <string>
#include <vector>

#include "adapter/adapter.h"
#include "retrieve/voice.h"
#include "s3attn/result.h"

namespace s3attn {

// The value of each feature that a FusionModel may name.
//   bm25_gap   how far the best BM25 score stands above the tenth: (first - tenth) / first
//   agreement  share of the ten best units by words that are among the ten best by attention
//   s3_gap     log of the best unit's attention over the tenth's
//   s3_top     log of the best unit's attention over the mean unit's
//   words      log of the number of words in the question
struct FusionFeature {
    std::string name;
    double value = 0;
};
std::vector<FusionFeature> fusion_features(const std::vector<RankedUnit>& attention,
                                           const std::vector<RankedUnit>& words,
                                           const std::string& question);

// Attention's share of the sum, in (0, 1). kInvalidArgument for a model that names a feature which
// is not there.
Result<double> attention_share(const FusionModel& model,
                               const std::vector<FusionFeature>& features);

}  // namespace s3attn
