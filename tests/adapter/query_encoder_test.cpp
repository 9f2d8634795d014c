#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "adapter/encoder.h"
#include "adapter/key_codes.h"
#include "random_adapter.h"

namespace s3attn {
namespace {

using test::gaussian;
using test::random_adapter;

std::vector<double> unit(std::vector<double> v) {
    double sum = 0;
    for (const double x : v) sum += x * x;
    for (double& x : v) x /= std::sqrt(sum);
    return v;
}

std::vector<double> centred(const std::vector<float>& mean, const float* row) {
    std::vector<double> v(mean.size());
    for (size_t i = 0; i < v.size(); ++i) v[i] = double{row[i]} - mean[i];
    return unit(v);
}

// q^ by plain loops.
std::vector<double> mapped(const QueryHead& head, const std::vector<double>& x) {
    std::vector<double> out = x;
    const size_t d = x.size();
    if (!head.map.empty()) {
        for (size_t i = 0; i < d; ++i) {
            out[i] = 0;
            for (size_t j = 0; j < d; ++j) out[i] += head.map[i * d + j] * x[j];
        }
    }
    if (!head.bias.empty()) {
        for (size_t i = 0; i < d; ++i) out[i] += head.bias[i];
    }
    return unit(out);
}

class QueryEncoder : public testing::Test {
  protected:
    static constexpr uint32_t kTokens = 7, kStride = 50, kD = 48;
    Adapter adapter_ = random_adapter(21, kD, 300, 8);
    std::mt19937 rng_{2};
    std::vector<float> rows_ = gaussian(rng_, kTokens* kStride);
    RowsView view_{rows_.data(), kTokens, kD, kStride};
};

TEST_F(QueryEncoder, EqualsPlainLoops) {
    QueryCodes codes;
    for (uint32_t h = 0; h < 3; ++h) encode_queries(adapter_, h, view_, codes);
    ASSERT_EQ(codes.heads.size(), 3u);
    EXPECT_EQ(codes.n_tokens, kTokens);
    EXPECT_EQ(codes.latents, 300u);
    for (uint32_t h = 0; h < 3; ++h) {
        const QueryHead& head = adapter_.heads[h];
        const QueryCodes::Head& out = codes.heads[h];
        EXPECT_EQ(out.slot, head.slot);
        EXPECT_EQ(out.temperature, head.temperature);
        EXPECT_EQ(out.mixture, head.mixture);
        const SparseAutoencoder& sae = adapter_.slots[head.slot].sae;
        std::vector<double> shares;
        for (uint32_t i = 0; i < kTokens; ++i) {
            const auto x = centred(head.mean_query, &rows_[i * kStride]);
            const auto q = mapped(head, x);
            for (uint32_t f = 0; f < 300; ++f) {
                double dot = 0;
                for (uint32_t c = 0; c < kD; ++c) dot += q[c] * sae.w_dec[f * kD + c];
                ASSERT_NEAR(out.weight[f * kTokens + i], dot * adapter_.activation_scale, 1e-7);
            }
            double logit = 0;
            for (uint32_t c = 0; c < kD && !head.token_weight.empty(); ++c) {
                logit += head.token_weight[c] * x[c];
            }
            shares.push_back(std::exp(logit));
        }
        const double total = std::accumulate(shares.begin(), shares.end(), 0.0);
        for (uint32_t i = 0; i < kTokens; ++i) {
            EXPECT_NEAR(out.token_share[i], shares[i] / total, 1e-6);
        }
    }
}

// What the whole scheme rests on: the sum over a token's features is a cosine.
TEST_F(QueryEncoder, ScoreIsTheCosineWithTheReconstruction) {
    QueryCodes codes;
    encode_queries(adapter_, 0, view_, codes);
    const QueryHead& head = adapter_.heads[0];
    const KeySlot& slot = adapter_.slots[head.slot];
    KeyEncoder encoder(adapter_, 1);
    CodeBatch batch = test::sized_batch(adapter_, kTokens);
    encoder.encode(head.slot, view_, batch);
    for (uint32_t t = 0; t < kTokens; ++t) {
        // The reconstruction without quantisation, from the features that were chosen.
        const size_t at = (t * batch.n_slots + head.slot) * batch.k;
        std::vector<double> x(kD), recon(kD, 0.0);
        ASSERT_TRUE(centre_and_normalise(&rows_[t * kStride], slot.mean_key.data(),
                                         slot.sae.b_dec.data(), kD, x.data()));
        for (uint32_t j = 0; j < batch.k && batch.activation[at + j] != 0; ++j) {
            const uint32_t f = batch.feature[at + j];
            double pre = slot.sae.b_enc[f];
            for (uint32_t c = 0; c < kD; ++c) pre += x[c] * slot.sae.w_enc[c * 300 + f];
            for (uint32_t c = 0; c < kD; ++c) recon[c] += pre * slot.sae.w_dec[f * kD + c];
        }
        recon = unit(recon);
        for (uint32_t i = 0; i < kTokens; ++i) {
            const auto q = mapped(head, centred(head.mean_query, &rows_[i * kStride]));
            double score = 0;
            for (uint32_t j = 0; j < batch.k; ++j) {
                score += double{codes.heads[0].weight[batch.feature[at + j] * kTokens + i]} *
                         batch.activation[at + j];
            }
            const double cosine = std::inner_product(q.begin(), q.end(), recon.begin(), 0.0);
            // Eight activations, each off by at most half a step of 1 / 200.
            EXPECT_NEAR(score, cosine, 8 * 0.5 / 200);
        }
    }
}

TEST_F(QueryEncoder, RowsWithoutADirectionAskForNothing) {
    std::copy(adapter_.heads[0].mean_query.begin(), adapter_.heads[0].mean_query.end(),
              rows_.begin() + kStride);
    rows_[2 * kStride] = std::nanf("");
    QueryCodes codes, eq7;
    encode_queries(adapter_, 0, view_, codes);
    encode_queries_eq7(adapter_, 0, view_, eq7);
    for (uint32_t f = 0; f < 300; ++f) {
        for (const uint32_t i : {1u, 2u}) {
            ASSERT_EQ(codes.heads[0].weight[f * kTokens + i], 0.0f);
            ASSERT_EQ(eq7.heads[0].weight[f * kTokens + i], 0.0f);
        }
    }
    const auto& shares = codes.heads[0].token_share;
    EXPECT_NEAR(std::accumulate(shares.begin(), shares.end(), 0.0), 1.0, 1e-6);
}

TEST_F(QueryEncoder, NoTokensGiveNoWeights) {
    QueryCodes codes;
    encode_queries(adapter_, 1, {rows_.data(), 0, kD, kStride}, codes);
    encode_queries_eq7(adapter_, 2, {rows_.data(), 0, kD, kStride}, codes);
    EXPECT_EQ(codes.n_tokens, 0u);
    for (const auto& head : codes.heads) {
        EXPECT_TRUE(head.weight.empty());
        EXPECT_TRUE(head.token_share.empty());
    }
}

TEST_F(QueryEncoder, Eq7PutsTheQueryThroughTheKeySae) {
    QueryCodes codes;
    encode_queries_eq7(adapter_, 1, view_, codes);
    const QueryHead& head = adapter_.heads[1];
    const SparseAutoencoder& sae = adapter_.slots[head.slot].sae;
    for (uint32_t i = 0; i < kTokens; ++i) {
        const auto x = centred(head.mean_query, &rows_[i * kStride]);
        std::vector<std::pair<double, uint32_t>> pre;
        for (uint32_t f = 0; f < 300; ++f) {
            double sum = sae.b_enc[f];
            for (uint32_t c = 0; c < kD; ++c) {
                sum += (x[c] - sae.b_dec[c]) * sae.w_enc[c * 300 + f];
            }
            pre.emplace_back(sum, f);
        }
        std::sort(pre.rbegin(), pre.rend());
        for (size_t j = 0; j < pre.size(); ++j) {
            const double expected = j < 8 ? std::max(0.0, pre[j].first) : 0.0;
            ASSERT_NEAR(codes.heads[1].weight[pre[j].second * kTokens + i], expected, 1e-5);
        }
        EXPECT_FLOAT_EQ(codes.heads[1].token_share[i], 1.0f / kTokens);
    }
}

}  // namespace
}  // namespace s3attn
