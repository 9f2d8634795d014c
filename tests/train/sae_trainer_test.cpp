#include "train/sae_trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "planted_keys.h"
#include "train/rng.h"

namespace s3attn {
namespace {

// The obvious twin: dense, double precision, full sort.
struct Twin {
    double loss = 0;  // with the aux term, as differentiated
    std::vector<double> encoder, bias, decoder;
};

using Picks = std::vector<std::pair<uint32_t, double>>;

Picks top(const std::vector<double>& pre, const std::vector<uint32_t>& allowed, uint32_t k) {
    Picks picks;
    for (uint32_t f : allowed) {
        if (pre[f] > 0) picks.emplace_back(f, pre[f]);
    }
    std::stable_sort(picks.begin(), picks.end(),
                     [](const auto& a, const auto& b) { return a.second > b.second; });
    if (picks.size() > k) picks.resize(k);
    return picks;
}

class TwinSae {
  public:
    TwinSae(const SaeWeights& w, const float* x, uint32_t rows) : w_(w), x_(x), rows_(rows) {
        out_.encoder.assign(w.encoder.size(), 0);
        out_.decoder.assign(w.decoder.size(), 0);
        out_.bias.assign(w.latents, 0);
    }

    Twin run(uint32_t k, const std::vector<uint32_t>& dead, uint32_t aux_k, double aux_weight) {
        std::vector<uint32_t> all(w_.latents);
        std::iota(all.begin(), all.end(), 0u);
        for (uint32_t r = 0; r < rows_; ++r) {
            std::vector<double> pre(w_.latents);
            for (uint32_t f = 0; f < w_.latents; ++f) {
                pre[f] = w_.bias[f];
                for (uint32_t i = 0; i < w_.d; ++i) pre[f] += w_.encoder[f * w_.d + i] * x(r, i);
            }
            std::vector<double> target(w_.d);
            for (uint32_t i = 0; i < w_.d; ++i) target[i] = x(r, i);
            const auto residual = pass(r, target, top(pre, all, k), 1.0);
            if (!dead.empty()) pass(r, residual, top(pre, dead, aux_k), aux_weight);
        }
        return out_;
    }

  private:
    double x(uint32_t r, uint32_t i) const { return x_[r * w_.d + i]; }

    std::vector<double> pass(uint32_t r, std::vector<double> residual, const Picks& picks,
                             double weight) {
        for (const auto& [f, z] : picks) {
            for (uint32_t i = 0; i < w_.d; ++i) residual[i] -= z * w_.decoder[f * w_.d + i];
        }
        for (double e : residual) out_.loss += weight * e * e / rows_;
        for (const auto& [f, z] : picks) {
            double slope = 0;
            for (uint32_t i = 0; i < w_.d; ++i) {
                slope -= 2 * weight / rows_ * residual[i] * w_.decoder[f * w_.d + i];
                out_.decoder[f * w_.d + i] -= 2 * weight / rows_ * z * residual[i];
            }
            out_.bias[f] += slope;
            for (uint32_t i = 0; i < w_.d; ++i) out_.encoder[f * w_.d + i] += slope * x(r, i);
        }
        return residual;
    }

    const SaeWeights& w_;
    const float* x_;
    uint32_t rows_;
    Twin out_;
};

SaeWeights random_weights(uint32_t d, uint32_t latents, uint64_t seed) {
    SaeWeights w{d, latents, unit_rows(latents, d, seed), {}, unit_rows(latents, d, seed + 1)};
    Rng rng(seed + 2);
    for (uint32_t f = 0; f < latents; ++f) {
        w.bias.push_back(static_cast<float>(0.1 * rng.normal()));
    }
    return w;
}

void expect_close(const std::vector<float>& a, const std::vector<double>& b, const char* what) {
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 2e-6) << what << " " << i;
}

SaeOptions small_options(uint32_t steps) {
    SaeOptions options;
    options.latents = 64;
    options.k = 3;
    options.steps = steps;
    options.batch = 256;
    options.warm_up = 10;
    options.rate = 5e-3f;
    return options;
}

TrainedSae train(const HalfRows& keys, const SaeOptions& options, uint32_t threads) {
    ThreadPool pool(threads);
    const CancelToken never;
    auto result = train_sae(keys, keys.mean(), options, pool, {}, never);
    EXPECT_TRUE(result.ok()) << result.error().message;
    return std::move(*result);
}

TEST(SaeTrainer, GradientsEqualTheDoublePrecisionTwin) {
    for (const auto& [d, latents, k, rows] :
         {std::tuple(6u, 20u, 3u, 11u), std::tuple(16u, 40u, 1u, 60u),
          std::tuple(9u, 17u, 4u, 1u)}) {
        const SaeWeights weights = random_weights(d, latents, 100 + d);
        const auto x = unit_rows(rows, d, 7);
        SaeOptions options;
        options.k = k;
        ThreadPool pool(2);
        SaeTrainer trainer(weights, options, pool);
        SaeWeights gradient;
        const double loss = trainer.gradients(x.data(), rows, true, gradient);
        const Twin twin = TwinSae(weights, x.data(), rows).run(k, {}, 0, 0);
        EXPECT_NEAR(loss, twin.loss, 1e-5);
        expect_close(gradient.encoder, twin.encoder, "encoder");
        expect_close(gradient.decoder, twin.decoder, "decoder");
        expect_close(gradient.bias, twin.bias, "bias");
    }
}

TEST(SaeTrainer, AuxGradientsEqualTheTwin) {
    const uint32_t d = 8, latents = 30, rows = 25, k = 2;
    const SaeWeights weights = random_weights(d, latents, 5);
    const auto x = unit_rows(rows, d, 6);
    SaeOptions options;
    options.k = k;
    ThreadPool pool(1);
    SaeTrainer trainer(weights, options, pool);
    const std::vector<uint32_t> dead{3, 4, 11, 17, 29};
    for (uint32_t f : dead) trainer.mark_silent(f, options.dead_after + 1);
    EXPECT_EQ(trainer.dead_latents(), dead);
    SaeWeights gradient;
    trainer.gradients(x.data(), rows, true, gradient);
    const Twin twin = TwinSae(weights, x.data(), rows).run(k, dead, 2 * k, options.aux_weight);
    expect_close(gradient.encoder, twin.encoder, "encoder");
    expect_close(gradient.decoder, twin.decoder, "decoder");
    expect_close(gradient.bias, twin.bias, "bias");
}

TEST(SaeTrainer, StepKeepsDecoderRowsAtUnitLength) {
    const auto x = unit_rows(100, 12, 9);
    ThreadPool pool(2);
    SaeOptions options;
    options.k = 4;
    SaeTrainer trainer(random_weights(12, 50, 1), options, pool);
    for (int i = 0; i < 5; ++i) trainer.step(x.data(), 100, 0.05f);
    for (uint32_t f = 0; f < 50; ++f) {
        const float* row = trainer.weights().decoder.data() + f * 12;
        EXPECT_NEAR(portable_kernels().dot(row, row, 12), 1.0f, 1e-5);
    }
}

TEST(SaeTrainer, UnexplainedVarianceFallsAndPlantedDirectionsAreFound) {
    const HalfRows keys = planted_keys(16, 40, 6000, 1);
    const TrainedSae early = train(keys, small_options(5), 2);
    const TrainedSae late = train(keys, small_options(600), 2);
    EXPECT_LT(late.report.fvu, 0.5 * early.report.fvu);
    EXPECT_LT(late.report.fvu, 0.15);
    EXPECT_LT(late.report.dead_share, 0.5);
    EXPECT_GT(late.report.densest, 0);
    EXPECT_LT(late.report.densest, 0.5);
}

TEST(SaeTrainer, DeadLatentsAreRevived) {
    const HalfRows keys = planted_keys(16, 60, 6000, 2);
    const std::vector<float> mean = keys.mean();
    SaeOptions options = small_options(400);
    options.dead_after = 10;
    options.encoder_scale = 0.2f;
    std::vector<float> x(256 * 16);
    size_t left[2];
    for (const bool revive : {false, true}) {
        options.aux_every = revive ? 1 : 0;
        SaeWeights weights = initial_weights(keys, mean, keys.size(), options);
        for (uint32_t f = 0; f < 32; ++f) weights.bias[f] = -0.1f;  // silent at the start
        ThreadPool pool(2);
        SaeTrainer trainer(std::move(weights), options, pool);
        Rng rng(3);
        for (uint32_t step = 0; step < options.steps; ++step) {
            for (uint32_t r = 0; r < 256; ++r) {
                read_unit(keys, rng.below(keys.size()), 1, mean, x.data() + r * 16);
            }
            trainer.step(x.data(), 256, 5e-3f);
        }
        left[revive] = trainer.dead_latents().size();
    }
    EXPECT_GE(left[0], 12u);
    EXPECT_LE(left[1], left[0] / 3);
}

TEST(SaeTrainer, DeadLatentsStartAnewFromWhatIsLeftOver) {
    const uint32_t d = 12, latents = 50, rows = 100;
    const auto x = unit_rows(rows, d, 9);
    ThreadPool pool(2);
    SaeOptions options;
    options.k = 4;
    SaeTrainer trainer(random_weights(d, latents, 1), options, pool);
    EXPECT_EQ(trainer.restart_dead(1), 0u);
    trainer.step(x.data(), rows, 0.01f);
    for (uint32_t f : {7u, 31u}) trainer.mark_silent(f, options.dead_after + 1);
    const SaeWeights before = trainer.weights();
    EXPECT_EQ(trainer.restart_dead(1), 2u);
    EXPECT_TRUE(trainer.dead_latents().empty());
    const SaeWeights& after = trainer.weights();
    for (uint32_t f = 0; f < latents; ++f) {
        const float *now = after.decoder.data() + f * d, *then = before.decoder.data() + f * d;
        const bool same = std::equal(now, now + d, then);
        EXPECT_EQ(same, f != 7 && f != 31);
        EXPECT_NEAR(portable_kernels().dot(now, now, d), 1.0f, 1e-5);
        if (same) continue;
        EXPECT_EQ(after.bias[f], 0.0f);
        // The encoder points the same way.
        const float* encoder = after.encoder.data() + f * d;
        for (uint32_t i = 0; i < d; ++i)
            EXPECT_NEAR(encoder[i] / encoder[0], now[i] / now[0], 1e-3);
    }
}

TEST(SaeTrainer, SameSeedSameWeightsForAnyThreadCount) {
    const HalfRows keys = planted_keys(16, 40, 3000, 3);
    const SaeOptions options = small_options(40);
    const TrainedSae one = train(keys, options, 1), three = train(keys, options, 3);
    EXPECT_EQ(one.sae.w_enc, three.sae.w_enc);
    EXPECT_EQ(one.sae.w_dec, three.sae.w_dec);
    EXPECT_EQ(one.sae.b_enc, three.sae.b_enc);
    EXPECT_EQ(one.report.fvu, three.report.fvu);
    SaeOptions other = options;
    other.seed = 2;
    EXPECT_NE(train(keys, other, 1).sae.w_enc, one.sae.w_enc);
}

TEST(SaeTrainer, TooFewKeysIsAClearError) {
    const HalfRows keys = planted_keys(16, 4, 50, 4);
    ThreadPool pool(1);
    const CancelToken never;
    const auto result = train_sae(keys, keys.mean(), small_options(5), pool, {}, never);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(result.error().message.find(": 50 keys"), std::string::npos);
}

TEST(SaeTrainer, CancelStops) {
    const HalfRows keys = planted_keys(16, 4, 3000, 4);
    ThreadPool pool(1);
    CancelToken token;
    const auto result = train_sae(
        keys, keys.mean(), small_options(1000), pool,
        [&](uint32_t step, uint32_t) {
            if (step == 3) token.cancel();
        },
        token);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace s3attn
