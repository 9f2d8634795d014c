#include "retrieve/vector_scores.h"

namespace s3attn {
namespace {

// Sums in lanes: the compiler makes vector instructions of it, and the order of additions is the
// same on every machine.
constexpr size_t kLanes = 16;

float dot(const int8_t* codes, const float* question, size_t n) {
    float sums[kLanes] = {};
    size_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
        for (size_t lane = 0; lane < kLanes; ++lane) {
            sums[lane] += static_cast<float>(codes[i + lane]) * question[i + lane];
        }
    }
    float sum = 0;
    for (const float lane : sums) sum += lane;
    for (; i < n; ++i) sum += static_cast<float>(codes[i]) * question[i];
    return sum;
}

}  // namespace

std::vector<double> vector_scores(const UnitVectors& vectors, std::span<const float> question) {
    std::vector<double> scores(vectors.scales.size());
    if (question.size() != vectors.dimension) return scores;
    for (size_t u = 0; u < scores.size(); ++u) {
        if (vectors.scales[u] == 0) continue;
        const int8_t* codes = vectors.codes.data() + u * vectors.dimension;
        scores[u] = double{vectors.scales[u]} * dot(codes, question.data(), vectors.dimension);
    }
    return scores;
}

}  // namespace s3attn
