#include "retrieve/rerank.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace s3attn {

std::vector<double> z_scores(std::span<const double> values) {
    const auto n = static_cast<double>(values.size());
    std::vector<double> out(values.size());
    if (values.empty()) return out;
    const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
    double variance = 0;
    for (const double value : values) variance += (value - mean) * (value - mean) / n;
    const double deviation = std::sqrt(variance);
    // Differences that are rounding alone say nothing.
    if (!(deviation > 1e-12 * std::abs(mean))) return out;
    for (size_t i = 0; i < values.size(); ++i) out[i] = (values[i] - mean) / deviation;
    return out;
}

std::vector<double> second_stage_scores(std::span<const double> first,
                                        const std::vector<std::vector<double>>& attention,
                                        double first_weight) {
    std::vector<double> heads(first.size());
    for (const std::vector<double>& head : attention) {
        const std::vector<double> z = z_scores(head);
        for (size_t u = 0; u < first.size(); ++u) heads[u] += z[u];
    }
    const std::vector<double> second = z_scores(heads), before = z_scores(first);
    std::vector<double> out(first.size());
    for (size_t u = 0; u < first.size(); ++u) out[u] = second[u] + first_weight * before[u];
    return out;
}

std::vector<size_t> best_first(std::span<const double> scores) {
    std::vector<size_t> order(scores.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return scores[a] > scores[b]; });
    return order;
}

}  // namespace s3attn
