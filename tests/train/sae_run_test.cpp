// When a training run stops, and what it says about the dictionary it made.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "planted_keys.h"
#include "train/sae_measure.h"
#include "train/sae_trainer.h"

namespace s3attn {
namespace {

SaeOptions options(uint32_t steps) {
    SaeOptions options;
    options.latents = 64;
    options.k = 3;
    options.steps = steps;
    options.batch = 128;
    options.warm_up = 10;
    options.rate = 5e-3f;
    options.check_every = 25;
    return options;
}

TrainedSae train(const HalfRows& keys, const SaeOptions& options, uint32_t threads = 2) {
    ThreadPool pool(threads);
    const CancelToken never;
    auto result = train_sae(keys, keys.mean(), options, pool, {}, never);
    EXPECT_TRUE(result.ok()) << result.error().message;
    return std::move(*result);
}

TEST(SaeRun, StopsEarlyWhenHeldOutKeysGainNothing) {
    const HalfRows keys = planted_keys(16, 40, 6000, 1);
    const SaeReport report = train(keys, options(4000)).report;
    EXPECT_TRUE(report.stopped_early);
    EXPECT_LT(report.steps, 3000u);
    EXPECT_EQ(report.held_out.back().first / 25, report.steps / 25);
    // The decay that follows the plateau is part of what was done, and pays.
    SaeOptions never_stops = options(4000);
    never_stops.patience = 0;
    const SaeReport longest = train(keys, never_stops).report;
    EXPECT_FALSE(longest.stopped_early);
    EXPECT_EQ(longest.steps, 4000u);
    EXPECT_LT(report.fvu, 1.25 * longest.fvu);
}

TEST(SaeRun, DoesNotStopWhileItImproves) {
    const HalfRows keys = planted_keys(16, 40, 6000, 1);
    const SaeReport report = train(keys, options(100)).report;
    EXPECT_FALSE(report.stopped_early);
    EXPECT_EQ(report.steps, 100u);
    ASSERT_EQ(report.held_out.size(), 4u);
    EXPECT_EQ(report.held_out[3].first, 100u);
    EXPECT_LT(report.held_out[3].second, report.held_out[0].second);
}

TEST(SaeRun, EarlyStopDoesNotDependOnTheThreads) {
    const HalfRows keys = planted_keys(16, 40, 4000, 1);
    const TrainedSae one = train(keys, options(2000), 1), three = train(keys, options(2000), 3);
    EXPECT_EQ(one.report.steps, three.report.steps);
    EXPECT_EQ(one.report.held_out, three.report.held_out);
    EXPECT_EQ(one.sae.w_enc, three.sae.w_enc);
}

TEST(SaeRun, FrequenciesCountEveryLatentOnce) {
    const HalfRows keys = planted_keys(16, 40, 6000, 1);
    const SaeReport report = train(keys, options(200)).report;
    ASSERT_EQ(report.frequency.size(), kFrequencyBins);
    EXPECT_EQ(std::accumulate(report.frequency.begin(), report.frequency.end(), 0u), 64u);
    EXPECT_LE(report.frequency[0], std::lround(report.dead_share * 64));  // all keys, not held out
    EXPECT_GT(report.bytes_per_token, 3.0);                               // an activation byte each
    EXPECT_LT(report.bytes_per_token, 3 * 3.0);
}

TEST(SaeRun, EstimatedBytesFollowTheFormat) {
    // Two latents of which one fires on every key: 4096 postings of one activation byte and two
    // position bits, and two counts.
    EXPECT_NEAR(estimated_bytes({4096, 0}, 4096), (4096 * (1 + 2 / 8.0) + 2) / 4096, 1e-3);
    // One in 512: 8 postings a block, r = 9.
    EXPECT_NEAR(estimated_bytes({8}, 4096), (1 + 8 * (1 + 10 / 8.0) + 7 / 8.0) / 4096, 1e-9);
}

TEST(SaeRun, TheDecoderStaysAtUnitLengthAndTheStartIsTied) {
    const HalfRows keys = planted_keys(16, 40, 6000, 1);
    const SaeOptions o = options(50);
    const SaeWeights start = initial_weights(keys, keys.mean(), 5000, o);
    for (size_t i = 0; i < start.encoder.size(); ++i) {
        ASSERT_EQ(start.encoder[i], o.encoder_scale * start.decoder[i]);
    }
    const TrainedSae trained = train(keys, o);
    for (uint32_t f = 0; f < 64; ++f) {
        const float* row = trained.sae.w_dec.data() + f * 16;
        EXPECT_NEAR(portable_kernels().dot(row, row, 16), 1.0f, 1e-5);
    }
}

TEST(SaeRun, ImportedWeightsMeasureAsTheTrainedOnes) {
    const HalfRows keys = planted_keys(16, 40, 6000, 1);
    const std::vector<float> mean = keys.mean();
    TrainedSae trained = train(keys, options(200));
    ThreadPool pool(2);
    const size_t n_train = training_rows(keys.size());
    const SaeReport again =
        measure_sae(weights_of(trained.sae), 3, keys, mean, n_train, pool).report;
    EXPECT_EQ(again.fvu, trained.report.fvu);
    EXPECT_EQ(again.frequency, trained.report.frequency);
    // A decoder bias is subtracted from the input: the same as another encoder bias.
    SparseAutoencoder shifted = trained.sae;
    shifted.b_dec.assign(16, 0.25f);
    const SaeWeights folded = weights_of(shifted);
    double shift = 0;
    for (uint32_t i = 0; i < 16; ++i) shift += 0.25 * shifted.w_enc[i * 64 + 5];
    EXPECT_NEAR(folded.bias[5], shifted.b_enc[5] - shift, 1e-6);
}

}  // namespace
}  // namespace s3attn
