// Small stores and questions for the tests of scoring: random ones, and one worked out by hand.
#pragma once

#include <rapidcheck/gtest.h>

#include <algorithm>
#include <memory>
#include <random>

#include "memory_store.h"

namespace s3attn {

struct Case {
    MemoryStore store;
    QueryCodes query;
};

struct CaseShape {
    uint32_t latents = 12, k = 3, n_slots = 2, n_heads = 3, question = 5;
    uint32_t segments = 2, max_segment_tokens = 40, max_unit_tokens = 9;
    double zero_weights = 0.2, gaps = 0.3;
    float temperature = 16.0f;
};

inline TokenCode random_code(std::mt19937& rng, const CaseShape& shape) {
    TokenCode code;
    for (uint32_t i = rng() % (shape.k + 1); i > 0; --i) {
        const uint32_t feature = rng() % shape.latents;
        const bool seen = std::any_of(code.begin(), code.end(),
                                      [&](const auto& p) { return p.first == feature; });
        if (!seen) code.emplace_back(feature, static_cast<uint8_t>(1 + rng() % 255));
    }
    return code;
}

// Segments back to back or with gaps; live units that cross block and segment borders and leave
// dead tokens between them.
inline Case random_case(uint32_t seed, const CaseShape& shape) {
    std::mt19937 rng(seed);
    const auto chance = [&](double p) { return rng() % 1000 < p * 1000; };
    Case c;
    c.store.shape_value = {shape.n_slots, shape.latents, shape.k};
    uint64_t end = 0;
    for (uint32_t s = 0; s < shape.segments; ++s) {
        if (chance(shape.gaps)) end += 1 + rng() % 5;
        const uint32_t n = rng() % (shape.max_segment_tokens + 1);
        std::vector<std::vector<TokenCode>> tokens(shape.n_slots);
        for (auto& slot : tokens) {
            for (uint32_t t = 0; t < n; ++t) slot.push_back(random_code(rng, shape));
        }
        c.store.segment_list.push_back(
            std::make_shared<MemorySegment>(end, shape.latents, shape.k, std::move(tokens)));
        end += n;
    }
    uint64_t position = 0;
    for (int64_t id = 1; position < end; ++id) {
        if (chance(shape.gaps)) position += rng() % 4;
        const uint32_t n = rng() % (shape.max_unit_tokens + 1);
        c.store.extents.push_back({UnitId(id), TokenPosition(position), n});
        position += n;
        if (n == 0) ++position;
    }
    std::uniform_real_distribution<float> weight(-0.002f, 0.002f);
    c.query.n_tokens = shape.question;
    c.query.latents = shape.latents;
    for (uint32_t j = 0; j < shape.n_heads; ++j) {
        QueryCodes::Head head;
        head.slot = rng() % shape.n_slots;
        head.temperature = shape.temperature;
        head.mixture = 1.0f / static_cast<float>(shape.n_heads);
        for (uint32_t i = 0; i < shape.latents * shape.question; ++i) {
            head.weight.push_back(chance(shape.zero_weights) ? 0.0f : weight(rng));
        }
        head.token_share.assign(shape.question, 1.0f / static_cast<float>(shape.question));
        c.query.heads.push_back(std::move(head));
    }
    return c;
}

inline CaseShape random_shape() {
    CaseShape shape;
    shape.latents = *rc::gen::inRange<uint32_t>(1, 40);
    shape.k = *rc::gen::inRange<uint32_t>(1, 9);
    shape.n_slots = *rc::gen::inRange<uint32_t>(1, 4);
    shape.n_heads = *rc::gen::inRange<uint32_t>(1, 7);
    shape.question = *rc::gen::inRange<uint32_t>(1, 41);
    shape.segments = *rc::gen::inRange<uint32_t>(0, 5);
    shape.max_segment_tokens = *rc::gen::element<uint32_t>(3, 40, 300, 20000);
    shape.max_unit_tokens = *rc::gen::element<uint32_t>(1, 9, 200, 6000);
    shape.zero_weights = *rc::gen::element(0.0, 0.3, 1.0);
    shape.gaps = *rc::gen::element(0.0, 0.3, 1.0);
    shape.temperature = *rc::gen::element(0.0f, 1.0f, 16.0f);
    return shape;
}

inline Case plain_case() {
    CaseShape shape;
    shape.gaps = 0;
    shape.segments = 3;
    return random_case(7, shape);
}

// Two units, one question token, one head: unit 1 holds tokens {f0: 10}, {f1: 20}; unit 2 {f0: 5}.
inline Case hand_case() {
    Case c;
    c.store.shape_value = {1, 2, 2};
    c.store.segment_list.push_back(std::make_shared<MemorySegment>(
        0, 2, 2, std::vector<std::vector<TokenCode>>{{{{0, 10}}, {{1, 20}}, {{0, 5}}}}));
    c.store.extents = {extent(1, 0, 2), extent(2, 2, 1)};
    QueryCodes::Head head;
    head.temperature = 2.0f;
    head.weight = {0.02f, 0.03f};
    head.token_share = {1.0f};
    c.query = {1, 2, {head}};
    c.query.n_tokens = 1;
    c.query.latents = 2;
    c.query.heads = {head};
    return c;
}

}  // namespace s3attn
