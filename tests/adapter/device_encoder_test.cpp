// The encoder on a CUDA device against the slow twin on the CPU. Without a card, or in a build
// without CUDA, the tests that need one are skipped.
#include "adapter/device_encoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "adapter/encoder.h"
#include "code_compare.h"
#include "random_adapter.h"
#include "s3attn/reason.h"

#if defined(S3ATTN_CUDA)
#include <cuda_runtime.h>
#endif

namespace s3attn {
namespace {

using test::code_at;
using test::expect_same;
using test::gaussian;
using test::random_adapter;
using test::sized_batch;

TEST(DeviceEncoder, SaysWhatIsMissing) {
    const Status status = cuda_status();
    if (status.ok()) GTEST_SKIP() << "nothing is: there is a CUDA device";
    EXPECT_EQ(status.error().code, ErrorCode::kUnsupported);
    EXPECT_EQ(status.error().reason, reason::kNoDevice);
    EXPECT_EQ(status.error().message.find("--"), std::string::npos) << "options are the program's";
    const Adapter a = random_adapter(1);
    EXPECT_FALSE(DeviceKeyEncoder::make(a, 16).ok());
}

#if defined(S3ATTN_CUDA)

class DeviceRows {
  public:
    explicit DeviceRows(const std::vector<float>& values) {
        EXPECT_EQ(cudaMalloc(&data_, values.size() * sizeof(float)), cudaSuccess);
        EXPECT_EQ(
            cudaMemcpy(data_, values.data(), values.size() * sizeof(float), cudaMemcpyHostToDevice),
            cudaSuccess);
    }
    ~DeviceRows() { cudaFree(data_); }
    DeviceRows(const DeviceRows&) = delete;
    DeviceRows& operator=(const DeviceRows&) = delete;
    float* get() const { return static_cast<float*>(data_); }

  private:
    void* data_ = nullptr;
};

class DeviceEncoderOnCard : public testing::Test {
  protected:
    void SetUp() override {
        const Status status = cuda_status();
        if (!status.ok()) GTEST_SKIP() << status.error().message;
    }
};

// Rows [n_rows][n_heads][d] of one layer as the scanner delivers them; each slot reads its head.
void encode_all(DeviceKeyEncoder& encoder, const Adapter& a, const float* rows, uint32_t n_rows,
                uint32_t n_heads, uint32_t sequences) {
    ASSERT_TRUE(encoder.begin(n_rows).ok());
    for (const uint32_t layer : a.key_layers()) {
        DeviceKeys keys;
        keys.data = rows;
        keys.n_sequences = sequences;
        keys.n_tokens = n_rows / sequences;
        keys.head_stride = a.d_head;
        keys.token_stride = size_t{n_heads} * a.d_head;
        keys.sequence_stride = keys.n_tokens * keys.token_stride;
        const Status status = encoder.add(layer, keys);
        ASSERT_TRUE(status.ok()) << status.error().message;
    }
    ASSERT_TRUE(encoder.end().ok());
}

void compare(const Adapter& a, const std::vector<float>& rows, uint32_t n_rows,
             uint32_t sequences = 1) {
    constexpr uint32_t kHeads = 2;
    const auto encoder = DeviceKeyEncoder::make(a, n_rows);
    ASSERT_TRUE(encoder.ok()) << encoder.error().message;
    const DeviceRows device(rows);
    encode_all(**encoder, a, device.get(), n_rows, kHeads, sequences);
    CodeBatch fast, slow = sized_batch(a, n_rows);
    std::vector<float> norms;
    const Status taken = (*encoder)->take(fast, &norms);
    ASSERT_TRUE(taken.ok()) << taken.error().message;
    ASSERT_EQ(fast.feature.size(), slow.feature.size());
    ASSERT_EQ(norms.size(), size_t{n_rows} * a.slots.size());
    for (uint32_t slot = 0; slot < a.slots.size(); ++slot) {
        const RowsView view{rows.data() + size_t{a.slots[slot].kv_head} * a.d_head, n_rows,
                            a.d_head, size_t{kHeads} * a.d_head};
        encode_reference(a, slot, view, slow);
        for (uint32_t t = 0; t < n_rows; ++t) {
            SCOPED_TRACE("row " + std::to_string(t) + " slot " + std::to_string(slot));
            expect_same(a, slot, view.data + t * view.stride, code_at(fast, t, slot),
                        code_at(slow, t, slot));
            const bool stored = !code_at(fast, t, slot).features.empty();
            EXPECT_EQ(norms[size_t{t} * a.slots.size() + slot] > 0, stored);
            if (testing::Test::HasFailure()) return;
        }
    }
}

struct Shape {
    uint32_t d, latents, k, rows;
};
class DeviceEncoderShapes : public DeviceEncoderOnCard,
                            public testing::WithParamInterface<Shape> {};

TEST_P(DeviceEncoderShapes, EqualsTheReference) {
    const auto [d, latents, k, n_rows] = GetParam();
    std::mt19937 rng(n_rows);
    std::vector<float> rows = gaussian(rng, size_t{n_rows} * 2 * d);
    // Few large values, as real keys have.
    for (size_t i = 0; i < rows.size(); i += 11) rows[i] *= 50;
    compare(random_adapter(d + latents + k, d, latents, k), rows, n_rows);
}

INSTANTIATE_TEST_SUITE_P(
    DeviceEncoder, DeviceEncoderShapes,
    testing::Values(Shape{64, 1024, 8, 700}, Shape{128, 1024, 8, 257}, Shape{64, 4096, 8, 300},
                    Shape{128, 4096, 8, 500}, Shape{128, 4096, 64, 100}, Shape{64, 4096, 64, 50},
                    Shape{128, 16384, 32, 40}, Shape{64, 16384, 1, 40}, Shape{80, 1000, 16, 97},
                    Shape{256, 2048, 16, 60}, Shape{64, 256, 32, 3}, Shape{1, 1, 1, 7},
                    Shape{3, 17, 17, 13}, Shape{5, 40, 40, 6}, Shape{128, 129, 8, 193}));

TEST_F(DeviceEncoderOnCard, SequencesOfOneBatchAreNumberedOneAfterTheOther) {
    std::mt19937 rng(2);
    compare(random_adapter(11, 64, 512, 8), gaussian(rng, 96 * 2 * 64), 96, 4);
}

// Hundreds of equal latents: more near-ties than any list holds.
TEST_F(DeviceEncoderOnCard, TiesWithoutEnd) {
    Adapter a = random_adapter(3, 64, 1024, 8);
    for (KeySlot& slot : a.slots) {
        for (uint32_t f = 1; f < 1024; ++f) {
            if (f % 3 == 0) continue;
            slot.sae.b_enc[f] = slot.sae.b_enc[0];
            for (uint32_t i = 0; i < 64; ++i) {
                slot.sae.w_enc[size_t{i} * 1024 + f] = slot.sae.w_enc[size_t{i} * 1024];
            }
        }
    }
    std::mt19937 rng(1);
    compare(a, gaussian(rng, 100 * 2 * 64), 100);
}

// Each latent a little stronger than the one before: every threshold is too low.
TEST_F(DeviceEncoderOnCard, AscendingLatents) {
    Adapter a = random_adapter(4, 64, 2048, 8);
    for (KeySlot& slot : a.slots) {
        for (uint32_t f = 0; f < 2048; ++f) slot.sae.b_enc[f] = 0.01f * static_cast<float>(f);
    }
    std::mt19937 rng(1);
    compare(a, gaussian(rng, 64 * 2 * 64), 64);
}

TEST_F(DeviceEncoderOnCard, FewerThanKActiveLatentsArePadded) {
    Adapter a = random_adapter(8, 64, 512, 8);
    for (KeySlot& slot : a.slots) {
        for (uint32_t f = 3; f < 512; ++f) slot.sae.b_enc[f] = -100;
    }
    std::mt19937 rng(1);
    compare(a, gaussian(rng, 9 * 2 * 64), 9);
}

TEST_F(DeviceEncoderOnCard, WeightsThatAreNoHalves) {
    Adapter a = random_adapter(12, 128, 1024, 8);
    for (KeySlot& slot : a.slots) {
        for (float& w : slot.sae.w_enc) w *= 1.0003f;
        for (float& w : slot.sae.w_dec) w *= 0.9997f;
    }
    std::mt19937 rng(5);
    compare(a, gaussian(rng, 120 * 2 * 128), 120);
}

TEST_F(DeviceEncoderOnCard, OddRowsHaveADefinedCode) {
    const Adapter a = random_adapter(5, 64, 256, 8);
    constexpr float kInf = std::numeric_limits<float>::infinity();
    constexpr float kMax = std::numeric_limits<float>::max();
    constexpr float kTiny = std::numeric_limits<float>::denorm_min();
    std::vector<float> rows;
    for (const float value : {0.0f, 3.0f, kTiny, kMax, -kMax, std::nanf(""), kInf}) {
        rows.insert(rows.end(), 128, value);
    }
    for (const KeySlot& slot : a.slots) {
        rows.insert(rows.end(), slot.mean_key.begin(), slot.mean_key.end());
    }
    rows.insert(rows.end(), 128, 1.0f);
    rows[rows.size() - 1] = kInf;
    rows[rows.size() - 128] = std::nanf("");
    compare(a, rows, static_cast<uint32_t>(rows.size() / 128));
}

TEST_F(DeviceEncoderOnCard, BatchesOverlapAndComeInOrder) {
    const Adapter a = random_adapter(9, 64, 1024, 8);
    const auto encoder = DeviceKeyEncoder::make(a, 64);
    ASSERT_TRUE(encoder.ok()) << encoder.error().message;
    std::mt19937 rng(4);
    const std::vector<float> values = gaussian(rng, 640 * 2 * 64);
    const DeviceRows device(values);
    std::vector<CodeBatch> piecewise(10);
    for (uint32_t i = 0; i < 10; ++i) {
        encode_all(**encoder, a, device.get() + size_t{i} * 64 * 128, 64, 2, 1);
        if (i == 0) continue;
        ASSERT_TRUE((*encoder)->take(piecewise[i - 1]).ok());
    }
    ASSERT_TRUE((*encoder)->take(piecewise[9]).ok());
    EXPECT_FALSE((*encoder)->take(piecewise[9]).ok()) << "none is left";
    const auto whole_encoder = DeviceKeyEncoder::make(a, 640);
    ASSERT_TRUE(whole_encoder.ok());
    encode_all(**whole_encoder, a, device.get(), 640, 2, 1);
    CodeBatch whole;
    ASSERT_TRUE((*whole_encoder)->take(whole).ok());
    std::vector<uint16_t> features;
    for (const CodeBatch& piece : piecewise) {
        features.insert(features.end(), piece.feature.begin(), piece.feature.end());
    }
    EXPECT_EQ(features, whole.feature);
}

#endif

}  // namespace
}  // namespace s3attn
