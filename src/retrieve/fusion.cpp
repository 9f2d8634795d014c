#include "retrieve/fusion.h"

#include <algorithm>
#include <cmath>
#include <sstream>

namespace s3attn {
namespace {

constexpr size_t kBest = 10;

double tenth_of(const std::vector<RankedUnit>& units) {
    return units[std::min(units.size(), kBest) - 1].score;
}

// Without any match words have nothing to say: as if all scores were level.
double bm25_gap(const std::vector<RankedUnit>& words) {
    if (words.empty() || !(words[0].score > 0)) return 0;
    return words.size() == 1 ? 1 : (words[0].score - tenth_of(words)) / words[0].score;
}

double agreement(const std::vector<RankedUnit>& attention, const std::vector<RankedUnit>& words) {
    const size_t n = std::min(kBest, words.size()), m = std::min(kBest, attention.size());
    double common = 0;
    for (size_t i = 0; i < n; ++i) {
        common += std::any_of(attention.begin(), attention.begin() + static_cast<ptrdiff_t>(m),
                              [&](const RankedUnit& unit) { return unit.unit == words[i].unit; });
    }
    return common / static_cast<double>(kBest);
}

double log_ratio(double a, double b) {
    constexpr double kLeast = 1e-12;  // of a mass
    return std::log(std::max(a, kLeast) / std::max(b, kLeast));
}

double count_words(const std::string& question) {
    std::istringstream in(question);
    std::string word;
    double n = 0;
    while (in >> word) ++n;
    return n;
}

}  // namespace

std::vector<FusionFeature> fusion_features(const std::vector<RankedUnit>& attention,
                                           const std::vector<RankedUnit>& words,
                                           const std::string& question) {
    double mass = 0;
    for (const RankedUnit& unit : attention) mass += unit.score;
    const bool any = !attention.empty();
    return {{"bm25_gap", bm25_gap(words)},
            {"agreement", agreement(attention, words)},
            {"s3_gap", any ? log_ratio(attention[0].score, tenth_of(attention)) : 0},
            {"s3_top",
             any ? log_ratio(attention[0].score, mass / static_cast<double>(attention.size())) : 0},
            {"words", std::log(std::max(1.0, count_words(question)))}};
}

Result<double> attention_share(const FusionModel& model,
                               const std::vector<FusionFeature>& features) {
    double logit = model.bias;
    for (const FusionModel::Feature& each : model.features) {
        const auto found =
            std::find_if(features.begin(), features.end(),
                         [&](const FusionFeature& feature) { return feature.name == each.name; });
        if (found == features.end()) {
            return make_error(ErrorCode::kInvalidArgument,
                              "the adapter's fusion wants a feature '" + each.name +
                                  "', which this program does not know");
        }
        logit += each.weight * (found->value - each.mean) / each.spread;
    }
    return 1 / (1 + std::exp(-logit));
}

}  // namespace s3attn
