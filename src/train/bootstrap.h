// Percentile bootstrap intervals of means: how much of a figure is the choice of questions.
// Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace s3attn {

// Of fewer values nobody can say how far off their mean is: one value, resampled, is always itself.
inline constexpr size_t kFewestForInterval = 5;

struct Interval {
    double mean = 0, low = 0, high = 0;  // low, high: the middle 95 % of the resampled means
    size_t n = 0;
    bool known() const { return n >= kFewestForInterval; }  // else low and high say nothing
};

inline constexpr uint32_t kBootstrapRounds = 2000;

// Of the mean of `values`, resampled with replacement. The same values and seed give the same
// interval on every machine. No values: all zero.
Interval bootstrap_mean(std::span<const double> values, uint64_t seed,
                        uint32_t rounds = kBootstrapRounds);

// Of the mean of a[i] - b[i], resampled question by question: both must be in the same order.
Interval bootstrap_difference(std::span<const double> a, std::span<const double> b, uint64_t seed,
                              uint32_t rounds = kBootstrapRounds);

}  // namespace s3attn
