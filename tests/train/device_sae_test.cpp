// The trainer on a CUDA device against the one on the CPU; skipped without a card.
#include "train/device_sae.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "adapter/device_encoder.h"
#include "train/rng.h"

namespace s3attn {
namespace {

SaeWeights random_weights(uint32_t d, uint32_t latents, uint64_t seed) {
    Rng rng(seed);
    SaeWeights w{d, latents, {}, {}, {}};
    w.decoder.resize(size_t{d} * latents);
    for (float& value : w.decoder) value = static_cast<float>(rng.normal());
    for (uint32_t f = 0; f < latents; ++f) normalise(&w.decoder[size_t{f} * d], d);
    w.encoder = w.decoder;
    for (float& value : w.encoder) value *= 0.3f;
    w.bias.assign(latents, 0.0f);
    return w;
}

std::vector<float> random_rows(uint32_t d, uint32_t rows, uint64_t seed) {
    Rng rng(seed);
    std::vector<float> x(size_t{d} * rows);
    for (float& value : x) value = static_cast<float>(rng.normal());
    for (uint32_t r = 0; r < rows; ++r) normalise(&x[size_t{r} * d], d);
    return x;
}

// |a - b| / |b|
double relative_error(const std::vector<float>& a, const std::vector<float>& b) {
    double difference = 0, size = 0;
    for (size_t i = 0; i < b.size(); ++i) {
        difference += std::pow(double{a[i]} - double{b[i]}, 2);
        size += std::pow(double{b[i]}, 2);
    }
    return std::sqrt(difference / std::max(size, 1e-30));
}

SaeOptions test_options(uint32_t latents, uint32_t k) {
    SaeOptions options;
    options.latents = latents;
    options.k = k;
    options.dead_after = 3;
    return options;
}

TEST(DeviceSae, SaysWhatIsMissing) {
    if (cuda_status().ok()) GTEST_SKIP() << "nothing is: there is a CUDA device";
    const auto made = DeviceSaeTrainer::make(random_weights(8, 32, 1), test_options(32, 4), 16);
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.error().code, ErrorCode::kUnsupported);
}

struct Shape {
    uint32_t d, latents, k, rows;
};
class DeviceSaeShapes : public testing::TestWithParam<Shape> {
  protected:
    void SetUp() override {
        if (const Status status = cuda_status(); !status.ok()) {
            GTEST_SKIP() << status.error().message;
        }
    }
};

// Adam divides by the root of tiny second moments, so parameters are compared as a whole: the first
// steps to rounding, then the loss of a run, AuxK and restarts included.
TEST_P(DeviceSaeShapes, StepsEqualTheCpus) {
    const auto [d, latents, k, rows] = GetParam();
    const SaeOptions options = test_options(latents, k);
    ThreadPool pool(2);
    SaeTrainer host(random_weights(d, latents, 1), options, pool);
    auto made = DeviceSaeTrainer::make(random_weights(d, latents, 1), options, rows);
    ASSERT_TRUE(made.ok()) << made.error().message;
    DeviceSaeTrainer& device = **made;
    for (uint32_t step = 0; step < 40; ++step) {
        const std::vector<float> x = random_rows(d, rows, 100 + step);
        const double loss = host.step(x.data(), rows, 2e-3f);
        const auto device_loss = device.step(x.data(), 2e-3f);
        ASSERT_TRUE(device_loss.ok()) << device_loss.error().message;
        EXPECT_NEAR(*device_loss, loss, (step < 2 ? 1e-4 : 1e-2) * loss) << "step " << step;
        if (step == 0) {
            const auto weights = device.weights();
            ASSERT_TRUE(weights.ok());
            EXPECT_LT(relative_error(weights->encoder, host.weights().encoder), 1e-3);
            EXPECT_LT(relative_error(weights->decoder, host.weights().decoder), 1e-3);
        }
        if (step == 20) {
            const auto restarted = device.restart_dead(7);
            ASSERT_TRUE(restarted.ok());
            EXPECT_NEAR(*restarted, host.restart_dead(7), latents / 50 + 1);
        }
    }
    const auto weights = device.weights();
    ASSERT_TRUE(weights.ok());
    EXPECT_LT(relative_error(weights->decoder, host.weights().decoder), 0.15);
}

INSTANTIATE_TEST_SUITE_P(DeviceSae, DeviceSaeShapes,
                         testing::Values(Shape{64, 512, 8, 256}, Shape{128, 1024, 16, 200},
                                         Shape{48, 300, 4, 128}));

}  // namespace
}  // namespace s3attn
