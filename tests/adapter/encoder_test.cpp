#include "adapter/encoder.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "adapter/key_codes.h"
#include "code_compare.h"
#include "random_adapter.h"

namespace s3attn {
namespace {

using test::Code;
using test::code_at;
using test::expect_same;
using test::gaussian;
using test::random_adapter;
using test::sized_batch;

void compare(const Adapter& a, const RowsView& rows, uint32_t threads, Simd simd) {
    KeyEncoder encoder(a, threads, simd);
    CodeBatch fast = sized_batch(a, rows.n_rows), slow = fast;
    for (uint32_t slot = 0; slot < a.slots.size(); ++slot) {
        encoder.encode(slot, rows, fast);
        encode_reference(a, slot, rows, slow);
    }
    for (uint32_t t = 0; t < rows.n_rows; ++t) {
        for (uint32_t slot = 0; slot < a.slots.size(); ++slot) {
            SCOPED_TRACE("row " + std::to_string(t) + " slot " + std::to_string(slot));
            expect_same(a, slot, rows.data + t * rows.stride, code_at(fast, t, slot),
                        code_at(slow, t, slot));
            if (testing::Test::HasFailure()) return;
        }
    }
}

std::vector<Simd> paths() {
    std::vector<Simd> available = {Simd::kBest, Simd::kScalar};
    for (const Simd simd : {Simd::kAvx2, Simd::kVnni}) {
        if (simd_available(simd)) available.push_back(simd);
    }
    return available;
}

struct Shape {
    uint32_t d, latents, k, rows;
};

class EncoderShapes : public testing::TestWithParam<Shape> {};

TEST_P(EncoderShapes, EqualsTheReference) {
    const auto [d, latents, k, n_rows] = GetParam();
    const Adapter a = random_adapter(d + latents + k, d, latents, k);
    std::mt19937 rng(n_rows);
    const size_t stride = d + 24;
    const std::vector<float> rows = gaussian(rng, n_rows * stride + d);
    for (const Simd simd : paths()) {
        compare(a, {rows.data(), n_rows, d, stride}, 2, simd);
    }
}

INSTANTIATE_TEST_SUITE_P(Encoder, EncoderShapes,
                         testing::Values(Shape{64, 4096, 8, 40}, Shape{64, 256, 1, 257},
                                         Shape{64, 1000, 4, 257}, Shape{80, 1000, 16, 97},
                                         Shape{128, 4096, 32, 20}, Shape{64, 256, 32, 3},
                                         Shape{64, 256, 8, 1}, Shape{80, 256, 8, 0},
                                         Shape{1, 1, 1, 7}, Shape{3, 17, 17, 13},
                                         Shape{5, 40, 40, 6}));

RC_GTEST_PROP(Encoder, EqualsTheReferenceOnRandomAdapters, ()) {
    const auto d = *rc::gen::element<uint32_t>(1, 2, 7, 16, 64);
    const auto latents = *rc::gen::inRange<uint32_t>(1, 200);
    const auto k = std::min(latents, *rc::gen::element<uint32_t>(1, 2, 8, 33));
    Adapter a = random_adapter(*rc::gen::inRange<uint32_t>(0, 1000), d, latents, k);
    std::mt19937 rng(*rc::gen::inRange<uint32_t>(0, 1000));
    for (KeySlot& slot : a.slots) {
        // Ties: some latents are copies of the first.
        for (uint32_t f = 1; f < latents; f += 3) {
            slot.sae.b_enc[f] = slot.sae.b_enc[0];
            for (uint32_t i = 0; i < d; ++i) {
                slot.sae.w_enc[size_t{i} * latents + f] = slot.sae.w_enc[size_t{i} * latents];
            }
        }
    }
    const uint32_t n_rows = *rc::gen::inRange<uint32_t>(0, 30);
    std::vector<float> rows = gaussian(rng, size_t{n_rows} * d + 1);
    // Few large values, as real keys have.
    for (size_t i = 0; i < rows.size(); i += 11) rows[i] *= 50;
    compare(a, {rows.data(), n_rows, d, d}, *rc::gen::inRange<uint32_t>(1, 4),
            *rc::gen::elementOf(paths()));
    RC_ASSERT(!testing::Test::HasFailure());
}

TEST(Encoder, CopiesOfALatentKeepTheSmallestIndex) {
    Adapter a = random_adapter(3, 16, 64, 2);
    SparseAutoencoder& sae = a.slots[0].sae;
    for (uint32_t f = 0; f < 64; ++f) {
        sae.b_enc[f] = 1.0f;
        for (uint32_t i = 0; i < 16; ++i) sae.w_enc[size_t{i} * 64 + f] = 0.25f;
    }
    std::mt19937 rng(1);
    const std::vector<float> rows = gaussian(rng, 16 * 20);
    for (const Simd simd : paths()) {
        KeyEncoder encoder(a, 1, simd);
        CodeBatch batch = sized_batch(a, 20);
        encoder.encode(0, {rows.data(), 20, 16, 16}, batch);
        for (uint32_t t = 0; t < 20; ++t) {
            const Code code = code_at(batch, t, 0);
            if (!code.features.empty()) {
                EXPECT_EQ(code.features, (std::vector<uint32_t>{0, 1}));
            }
        }
    }
}

TEST(Encoder, OddRowsHaveADefinedCode) {
    const Adapter a = random_adapter(5, 64, 256, 8);
    constexpr float kInf = std::numeric_limits<float>::infinity();
    constexpr float kMax = std::numeric_limits<float>::max();
    constexpr float kTiny = std::numeric_limits<float>::denorm_min();
    std::vector<std::vector<float>> rows = {
        std::vector<float>(64, 0.0f),  std::vector<float>(64, 3.0f), a.slots[0].mean_key,
        std::vector<float>(64, kTiny), std::vector<float>(64, kMax), std::vector<float>(64, -kMax),
    };
    const size_t finite = rows.size();
    rows.push_back(std::vector<float>(64, std::nanf("")));
    rows.push_back(std::vector<float>(64, 1.0f));
    rows.back()[63] = kInf;
    rows.push_back(std::vector<float>(64, 1.0f));
    rows.back()[0] = std::nanf("");
    std::vector<float> data;
    for (const auto& row : rows) data.insert(data.end(), row.begin(), row.end());
    const RowsView view{data.data(), static_cast<uint32_t>(rows.size()), 64, 64};
    for (const Simd simd : paths()) {
        compare(a, view, 1, simd);
        KeyEncoder encoder(a, 1, simd);
        CodeBatch batch = sized_batch(a, view.n_rows);
        encoder.encode(0, view, batch);
        for (uint32_t t = 0; t < rows.size(); ++t) {
            const bool has_direction = t < finite && t != 2;
            EXPECT_EQ(!code_at(batch, t, 0).features.empty(), has_direction) << t;
        }
    }
}

// Denormal keys around a zero mean still have a direction.
TEST(Encoder, ScaleOfTheKeyDoesNotMatter) {
    Adapter a = random_adapter(6, 64, 256, 8);
    for (KeySlot& slot : a.slots) std::fill(slot.mean_key.begin(), slot.mean_key.end(), 0.0f);
    std::mt19937 rng(1);
    const std::vector<float> row = gaussian(rng, 64);
    std::vector<float> rows;
    for (const float scale : {1.0f, 0x1p+100f, 0x1p-100f}) {
        for (const float value : row) rows.push_back(value * scale);
    }
    KeyEncoder encoder(a, 1);
    CodeBatch batch = sized_batch(a, 3);
    encoder.encode(0, {rows.data(), 3, 64, 64}, batch);
    for (uint32_t t = 1; t < 3; ++t) {
        EXPECT_EQ(code_at(batch, t, 0).features, code_at(batch, 0, 0).features);
        EXPECT_EQ(code_at(batch, t, 0).activations, code_at(batch, 0, 0).activations);
    }
    std::vector<float> denormal(64, 0.0f);
    denormal[5] = std::numeric_limits<float>::denorm_min();
    CodeBatch one = sized_batch(a, 1);
    encoder.encode(0, {denormal.data(), 1, 64, 64}, one);
    EXPECT_FALSE(code_at(one, 0, 0).features.empty());
}

TEST(Encoder, FewerThanKActiveLatentsArePadded) {
    Adapter a = random_adapter(8, 16, 32, 8);
    for (uint32_t f = 3; f < 32; ++f) a.slots[0].sae.b_enc[f] = -100;
    for (uint32_t f = 0; f < 3; ++f) a.slots[0].sae.b_enc[f] = 100;
    std::mt19937 rng(1);
    const std::vector<float> rows = gaussian(rng, 16 * 9);
    for (const Simd simd : paths()) {
        KeyEncoder encoder(a, 1, simd);
        CodeBatch batch = sized_batch(a, 9);
        encoder.encode(0, {rows.data(), 9, 16, 16}, batch);
        for (uint32_t t = 0; t < 9; ++t) {
            EXPECT_EQ(code_at(batch, t, 0).features, (std::vector<uint32_t>{0, 1, 2}));
        }
    }
}

TEST(Encoder, ThreadsAndBatchesChangeNothing) {
    const Adapter a = random_adapter(9, 64, 1000, 8);
    std::mt19937 rng(4);
    const std::vector<float> rows = gaussian(rng, 64 * 300);
    CodeBatch whole = sized_batch(a, 300);
    KeyEncoder one(a, 1), three(a, 3);
    one.encode(1, {rows.data(), 300, 64, 64}, whole);
    CodeBatch again = sized_batch(a, 300);
    three.encode(1, {rows.data(), 300, 64, 64}, again);
    EXPECT_EQ(again.feature, whole.feature);
    EXPECT_EQ(again.activation, whole.activation);
    for (uint32_t t = 0; t < 300; t += 37) {
        CodeBatch single = sized_batch(a, 1);
        three.encode(1, {rows.data() + t * 64, 1, 64, 64}, single);
        EXPECT_EQ(code_at(single, 0, 1).features, code_at(whole, t, 1).features);
        EXPECT_EQ(code_at(single, 0, 1).activations, code_at(whole, t, 1).activations);
    }
}

TEST(Encoder, ActivationsAreThoseTheBytesStandFor) {
    const Adapter a = random_adapter(10, 64, 1000, 8);
    std::mt19937 rng(5);
    const std::vector<float> rows = gaussian(rng, 64 * 50);
    const RowsView view{rows.data(), 50, 64, 64};
    KeyEncoder encoder(a, 1);
    CodeBatch batch = sized_batch(a, 50);
    encoder.encode(0, view, batch);
    const std::vector<float> exact = encoder.activations(0, view);
    for (uint32_t t = 0; t < 50; ++t) {
        auto bytes = code_at(batch, t, 0).activations;
        std::sort(bytes.rbegin(), bytes.rend());
        for (size_t j = 0; j < bytes.size(); ++j) {
            EXPECT_NEAR(exact[t * 8 + j] / a.activation_scale, bytes[j], 0.5 + 1e-3);
        }
    }
}

TEST(Encoder, ChosenScaleClampsOneInAThousand) {
    std::vector<float> activations = {0.0f, std::nanf("")};
    EXPECT_EQ(choose_activation_scale(activations), 1.0f / 200);
    for (int i = 1; i <= 1000; ++i) activations.push_back(static_cast<float>(i) / 1000);
    const float scale = choose_activation_scale(activations);
    EXPECT_NEAR(scale * 255, 0.999, 1e-6);
}

TEST(Encoder, QuantisesToNearestAndClamps) {
    EXPECT_EQ(quantise_activation(1e-9, 1.0 / 200), 1);
    EXPECT_EQ(quantise_activation(1.0, 1.0 / 200), 200);
    EXPECT_EQ(quantise_activation(0.5024, 1.0 / 200), 100);
    EXPECT_EQ(quantise_activation(0.5026, 1.0 / 200), 101);
    EXPECT_EQ(quantise_activation(9.0, 1.0 / 200), 255);
    EXPECT_EQ(quantise_activation(1e300, 1.0 / 200), 255);
}

}  // namespace
}  // namespace s3attn
