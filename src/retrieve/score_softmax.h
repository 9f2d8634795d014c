// Attention's own normalisation: from every unit's best sums per lane to mass per unit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/parallel.h"
#include "retrieve/voice.h"
#include "s3attn/result.h"

namespace s3attn {

// Of the lanes of one slot.
struct LaneScales {
    std::vector<float> exponent;  // temperature * step
    std::vector<double> share;    // what the lane's softmax is worth in the unit's mass
    std::vector<double> cosine;   // share * step
};

struct SoftmaxInput {
    std::span<const int16_t> unit_max;  // [unit][stride]
    size_t stride = 0;
    LaneScales scales;
    ThreadPool& pool;
    const CancelToken* cancel = nullptr;
};
// For every unit u: mass[u] += sum over lanes of share * softmax over units of
// exponent * unit_max[u * stride + lane], cosine[u] += sum over lanes of cosine * unit_max.
// log_total[lane] = log of the sum over units of exp(exponent * unit_max), what the softmax divides
// by. Sums are made per chunk of units, so the result does not depend on the number of threads.
Status add_softmax(const SoftmaxInput& input, std::vector<double>& mass,
                   std::vector<double>& cosine, std::vector<double>& log_total);

}  // namespace s3attn
