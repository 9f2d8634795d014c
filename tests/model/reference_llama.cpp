#include "reference_llama.h"

#include <cmath>

namespace s3attn {
namespace {

using Row = std::vector<double>;

Row multiply(const std::vector<float>& weight, const Row& x) {
    Row y(weight.size() / x.size(), 0.0);
    for (size_t o = 0; o < y.size(); ++o) {
        for (size_t i = 0; i < x.size(); ++i) y[o] += weight[o * x.size() + i] * x[i];
    }
    return y;
}

Row rms_norm(const Row& x, const std::vector<float>& weight) {
    double sum = 0;
    for (const double v : x) sum += v * v;
    const double scale = 1.0 / std::sqrt(sum / static_cast<double>(x.size()) + 1e-5);
    Row y(x.size());
    for (size_t i = 0; i < x.size(); ++i) y[i] = x[i] * scale * weight[i];
    return y;
}

// The llama architecture rotates neighbouring pairs.
void rotate(Row& x, uint32_t d_head, size_t position) {
    for (size_t head = 0; head < x.size(); head += d_head) {
        for (uint32_t i = 0; i < d_head; i += 2) {
            const double angle =
                static_cast<double>(position) * std::pow(10000.0, -static_cast<double>(i) / d_head);
            const double a = x[head + i], b = x[head + i + 1];
            x[head + i] = a * std::cos(angle) - b * std::sin(angle);
            x[head + i + 1] = a * std::sin(angle) + b * std::cos(angle);
        }
    }
}

Row attend(const TinyModel& m, const Row& q, const std::vector<Row>& keys,
           const std::vector<Row>& values, size_t until) {
    Row out(m.n_head * m.d_head, 0.0);
    for (uint32_t h = 0; h < m.n_head; ++h) {
        const uint32_t kv = h / (m.n_head / m.n_head_kv);
        Row weight(until + 1);
        double total = 0;
        for (size_t t = 0; t <= until; ++t) {
            double dot = 0;
            for (uint32_t i = 0; i < m.d_head; ++i) {
                dot += q[h * m.d_head + i] * keys[t][kv * m.d_head + i];
            }
            weight[t] = std::exp(dot / std::sqrt(static_cast<double>(m.d_head)));
            total += weight[t];
        }
        for (size_t t = 0; t <= until; ++t) {
            for (uint32_t i = 0; i < m.d_head; ++i) {
                out[h * m.d_head + i] += weight[t] / total * values[t][kv * m.d_head + i];
            }
        }
    }
    return out;
}

}  // namespace

ReferenceProjections reference_llama(const TinyModel& m, const TinyWeights& weights,
                                     std::span<const int32_t> tokens) {
    ReferenceProjections result;
    std::vector<Row> stream;
    const std::vector<float>& embedding = weights.at("token_embd.weight");
    for (const int32_t token : tokens) {
        const float* row = embedding.data() + static_cast<size_t>(token) * m.n_embd;
        stream.emplace_back(row, row + m.n_embd);
    }
    for (uint32_t layer = 0; layer < m.n_layer; ++layer) {
        const auto w = [&](const char* name) -> const std::vector<float>& {
            return weights.at("blk." + std::to_string(layer) + "." + name);
        };
        std::vector<Row> queries, keys, values;
        result.keys.emplace_back();
        result.queries.emplace_back();
        for (size_t t = 0; t < tokens.size(); ++t) {
            const Row x = rms_norm(stream[t], w("attn_norm.weight"));
            queries.push_back(multiply(w("attn_q.weight"), x));
            keys.push_back(multiply(w("attn_k.weight"), x));
            values.push_back(multiply(w("attn_v.weight"), x));
            result.keys.back().insert(result.keys.back().end(), keys[t].begin(), keys[t].end());
            result.queries.back().insert(result.queries.back().end(), queries[t].begin(),
                                         queries[t].end());
            rotate(queries[t], m.d_head, t);
            rotate(keys[t], m.d_head, t);
        }
        for (size_t t = 0; t < tokens.size(); ++t) {
            const Row out =
                multiply(w("attn_output.weight"), attend(m, queries[t], keys, values, t));
            for (size_t i = 0; i < out.size(); ++i) stream[t][i] += out[i];
            const Row x = rms_norm(stream[t], w("ffn_norm.weight"));
            Row gate = multiply(w("ffn_gate.weight"), x);
            const Row up = multiply(w("ffn_up.weight"), x);
            for (size_t i = 0; i < gate.size(); ++i) {
                gate[i] = gate[i] / (1.0 + std::exp(-gate[i])) * up[i];
            }
            const Row down = multiply(w("ffn_down.weight"), gate);
            for (size_t i = 0; i < down.size(); ++i) stream[t][i] += down[i];
        }
    }
    return result;
}

}  // namespace s3attn
