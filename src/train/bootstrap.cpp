#include "train/bootstrap.h"

#include <algorithm>
#include <cassert>
#include <numeric>
#include <random>
#include <vector>

namespace s3attn {
namespace {

// The standard's distributions differ between libraries, its engines do not.
size_t draw_below(std::mt19937_64& engine, size_t n) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<size_t>((static_cast<Wide>(engine()) * n) >> 64);
}

}  // namespace

Interval bootstrap_mean(std::span<const double> values, uint64_t seed, uint32_t rounds) {
    Interval interval;
    interval.n = values.size();
    if (values.empty()) return interval;
    const auto n = static_cast<double>(values.size());
    interval.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
    interval.low = interval.high = interval.mean;
    if (rounds == 0) return interval;
    std::mt19937_64 engine(seed);
    std::vector<double> means(rounds);
    for (double& mean : means) {
        double sum = 0;
        for (size_t i = 0; i < values.size(); ++i) sum += values[draw_below(engine, values.size())];
        mean = sum / n;
    }
    std::sort(means.begin(), means.end());
    interval.low = means[static_cast<size_t>(0.025 * rounds)];
    interval.high = means[std::min<size_t>(static_cast<size_t>(0.975 * rounds), rounds - 1)];
    return interval;
}

Interval bootstrap_difference(std::span<const double> a, std::span<const double> b, uint64_t seed,
                              uint32_t rounds) {
    assert(a.size() == b.size());
    std::vector<double> differences(std::min(a.size(), b.size()));
    for (size_t i = 0; i < differences.size(); ++i) differences[i] = a[i] - b[i];
    return bootstrap_mean(differences, seed, rounds);
}

}  // namespace s3attn
