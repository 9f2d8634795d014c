// Collects what a Scanner delivers, packed [layer][token][head][dimension].
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <numeric>
#include <vector>

#include "model/language_model.h"

namespace s3attn {

struct Captured {
    std::map<uint32_t, std::vector<float>> layers;
    std::vector<uint32_t> order;
    uint32_t n_tokens = 0, n_heads = 0, d_head = 0;
};

inline ProjectionSink collect_into(Captured& out) {
    return [&out](const ProjectionView& v) -> Status {
        out.order.push_back(v.layer);
        out.n_tokens = v.n_tokens;
        out.n_heads = v.n_heads;
        out.d_head = v.d_head;
        std::vector<float>& rows = out.layers[v.layer];
        for (uint32_t t = 0; t < v.n_tokens; ++t) {
            for (uint32_t h = 0; h < v.n_heads; ++h) {
                const float* row = v.data + t * v.token_stride + h * v.head_stride;
                rows.insert(rows.end(), row, row + v.d_head);
            }
        }
        return {};
    };
}

inline Captured capture_all(Scanner& scanner, std::span<const int32_t> tokens,
                            const std::vector<uint32_t>& layers,
                            Projection projection = Projection::kKey) {
    Captured out;
    const Status status = scanner.capture(tokens, layers, projection, collect_into(out));
    EXPECT_TRUE(status.ok()) << status.error().message;
    EXPECT_EQ(out.order, layers);
    return out;
}

inline std::vector<uint32_t> first_layers(uint32_t n) {
    std::vector<uint32_t> layers(n);
    std::iota(layers.begin(), layers.end(), 0u);
    return layers;
}

inline double max_difference(const std::vector<float>& a, const std::vector<float>& b) {
    EXPECT_EQ(a.size(), b.size());
    double worst = a.empty() ? 1e9 : 0;
    for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
        worst = std::max(worst, std::fabs(static_cast<double>(a[i]) - b[i]));
    }
    return worst;
}

// Smallest cosine over rows of `width` floats.
inline double worst_cosine(const std::vector<float>& a, const std::vector<float>& b,
                           uint32_t width) {
    EXPECT_EQ(a.size(), b.size());
    double worst = 1;
    for (size_t at = 0; at + width <= std::min(a.size(), b.size()); at += width) {
        double ab = 0, aa = 0, bb = 0;
        for (size_t i = at; i < at + width; ++i) {
            ab += static_cast<double>(a[i]) * b[i];
            aa += static_cast<double>(a[i]) * a[i];
            bb += static_cast<double>(b[i]) * b[i];
        }
        worst = std::min(worst, ab / std::sqrt(aa * bb));
    }
    return worst;
}

}  // namespace s3attn
