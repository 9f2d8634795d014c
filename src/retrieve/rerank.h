// The arithmetic of the second stage: attention in context and the first stage's scores become one
// order of the first units.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace s3attn {

// (x - mean) / deviation; zeros where all are equal.
std::vector<double> z_scores(std::span<const double> values);

// `attention`: per head, one value for each of the first units of a ranking (as many as `first`,
// their scores). A unit's new score is z(sum over heads of z(attention)) + first_weight x z(its
// score).
std::vector<double> second_stage_scores(std::span<const double> first,
                                        const std::vector<std::vector<double>>& attention,
                                        double first_weight);

// Which place in the old order each place of the new one is taken from; equals keep their order.
std::vector<size_t> best_first(std::span<const double> scores);

}  // namespace s3attn
