#include "model/context_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace s3attn {
namespace {

float dot(const float* a, const float* b, uint32_t n) {
    // Many sums: a single one would wait for each addition.
    constexpr uint32_t kSums = 16;
    float sums[kSums] = {};
    uint32_t i = 0;
    for (; i + kSums <= n; i += kSums) {
        for (uint32_t j = 0; j < kSums; ++j) sums[j] += a[i + j] * b[i + j];
    }
    for (; i < n; ++i) sums[0] += a[i] * b[i];
    for (uint32_t half = kSums / 2; half > 0; half /= 2) {
        for (uint32_t j = 0; j < half; ++j) sums[j] += sums[j + half];
    }
    return sums[0];
}

// Turns a row of logits into shares of 1; what falls on the sink is lost.
void softmax(float* row, uint32_t n, const float* sink) {
    float top = sink != nullptr ? *sink : -std::numeric_limits<float>::infinity();
    for (uint32_t i = 0; i < n; ++i) top = std::max(top, row[i]);
    if (top == -std::numeric_limits<float>::infinity()) {
        std::fill(row, row + n, 0.0f);
        return;
    }
    double sum = sink != nullptr ? std::exp(static_cast<double>(*sink - top)) : 0.0;
    for (uint32_t i = 0; i < n; ++i) {
        row[i] = std::exp(row[i] - top);
        sum += row[i];
    }
    const auto scale = static_cast<float>(1.0 / sum);
    for (uint32_t i = 0; i < n; ++i) row[i] *= scale;
}

}  // namespace

void attention_rows(const ContextLayer& layer, uint32_t head, std::vector<float>& out) {
    const uint32_t d = layer.d_head, columns = layer.n_columns, rows = layer.n_rows;
    const uint32_t kv_head = head / (layer.n_head / layer.n_head_kv);
    std::vector<float> logits(size_t{rows} * columns);
    for (uint32_t c = 0; c < columns; ++c) {
        const float* key = layer.keys + (size_t{c} * layer.n_head_kv + kv_head) * d;
        for (uint32_t r = 0; r < rows; ++r) {
            const float* query = layer.queries + (size_t{r} * layer.n_head + head) * d;
            float logit = layer.scale * dot(query, key, d);
            if (layer.softcap > 0) logit = layer.softcap * std::tanh(logit / layer.softcap);
            logits[size_t{r} * columns + c] = logit + layer.mask[size_t{r} * columns + c];
        }
    }
    const uint32_t kept = columns - layer.skip;
    out.resize(size_t{rows} * kept);
    for (uint32_t r = 0; r < rows; ++r) {
        float* row = logits.data() + size_t{r} * columns;
        softmax(row, columns, layer.sinks != nullptr ? layer.sinks + head : nullptr);
        std::copy(row + layer.skip, row + columns, out.begin() + ptrdiff_t{r} * kept);
    }
}

}  // namespace s3attn
