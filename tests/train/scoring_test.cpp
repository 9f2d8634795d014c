#include "train/scoring.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "random_set.h"
#include "train/calibrate.h"

namespace s3attn {
namespace {

struct Scores {
    std::vector<double> mass, cosine;
};

// The formula of docs/retrieval.md, word for word.
Scores twin(const RetrievalSet& set, const std::vector<QueryHeadParams>& params, uint32_t q) {
    const uint32_t d = set.d;
    Scores out{std::vector<double>(set.units.size(), 0), std::vector<double>(set.units.size(), 0)};
    double logits = 0;
    for (const auto& p : params) logits += std::exp(static_cast<double>(p.mixture_logit));
    for (size_t j = 0; j < params.size(); ++j) {
        const auto& p = params[j];
        const TokenSpan span = set.questions[q];
        double shares = 0;
        std::vector<double> share;
        for (uint32_t t = span.begin; t < span.end; ++t) {
            double u = 0;
            for (uint32_t i = 0; i < d; ++i)
                u += p.token_weight[i] * set.heads[j].queries[t * d + i];
            share.push_back(std::exp(u));
            shares += share.back();
        }
        for (uint32_t t = span.begin; t < span.end; ++t) {
            std::vector<double> y(d);
            double norm = 0;
            for (uint32_t i = 0; i < d; ++i) {
                y[i] = p.bias[i];
                for (uint32_t c = 0; c < d; ++c) {
                    y[i] += p.map[i * d + c] * set.heads[j].queries[t * d + c];
                }
                norm += y[i] * y[i];
            }
            std::vector<double> best(set.units.size(), -1e9);
            double sum = 0;
            for (size_t u = 0; u < set.units.size(); ++u) {
                for (uint32_t k = set.units[u].begin; k < set.units[u].end; ++k) {
                    std::vector<float> key(d);
                    set.keys[set.heads[j].slot].read(k, 1, key.data());
                    double s = 0;
                    for (uint32_t i = 0; i < d; ++i) s += y[i] / std::sqrt(norm) * key[i];
                    best[u] = std::max(best[u], s);
                }
                sum += std::exp(std::exp(p.log_temperature) * best[u]);
            }
            const double weight = std::exp(static_cast<double>(p.mixture_logit)) / logits *
                                  share[t - span.begin] / shares;
            for (size_t u = 0; u < set.units.size(); ++u) {
                out.mass[u] += weight * std::exp(std::exp(p.log_temperature) * best[u]) / sum;
                out.cosine[u] += weight * best[u];
            }
        }
    }
    return out;
}

TEST(Scoring, EqualsTheObviousTwin) {
    for (uint64_t seed = 0; seed < 5; ++seed) {
        const RetrievalSet set = random_set(10, 30, 60, 2, 3, seed);
        const auto params = random_params(10, 3, seed + 50);
        ThreadPool pool(2);
        uint32_t seen = 0;
        score_questions(
            set, params, 1, 60, pool,
            [&](uint32_t q, std::span<const float> mass, std::span<const float> cosine) {
                EXPECT_EQ(q, ++seen);
                const Scores expected = twin(set, params, q);
                double sum = 0;
                for (size_t u = 0; u < mass.size(); ++u) {
                    ASSERT_NEAR(mass[u], expected.mass[u], 1e-4);
                    ASSERT_NEAR(cosine[u], expected.cosine[u], 1e-4);
                    sum += mass[u];
                }
                EXPECT_NEAR(sum, 1, 1e-4);
            });
        EXPECT_EQ(seen, 59u);
    }
}

TEST(Scoring, RecallCountsTiesAgainstUs) {
    Recall sums;
    const std::vector<float> flat(6, 0.5f);
    const std::vector<uint32_t> gold{2};
    add_recall(flat, gold, sums);
    EXPECT_EQ(sums.at_5, 0);
    EXPECT_EQ(sums.at_10, 1);
    std::vector<float> clear(30, 0.1f);
    clear[4] = 1;
    clear[7] = 0.05f;
    const std::vector<uint32_t> two{4, 7};
    Recall one;
    add_recall(clear, two, one);
    EXPECT_EQ(one.at_5, 0.5);
    EXPECT_EQ(one.at_20, 0.5);
    std::vector<float> broken(3, std::nanf(""));
    Recall none;
    add_recall(broken, std::vector<uint32_t>{0}, none);
    EXPECT_EQ(finished(none).questions, 1u);
}

TEST(Calibrate, FloorIsTheSecondPercentileOfPresent) {
    const RetrievalSet set = random_set(10, 40, 50, 2, 2, 9);
    ThreadPool pool(2);
    const auto params = random_params(10, 2, 3);
    const Calibration c = calibrate(set, params, 0, 50, pool);
    EXPECT_EQ(c.recall.questions, 50u);
    EXPECT_LE(c.rejected_present, 0.021);
    EXPECT_GE(c.rejected_absent, c.rejected_present);
    EXPECT_TRUE(std::is_sorted(c.present.begin(), c.present.end()));
    EXPECT_NEAR(c.evidence_floor, c.present[2], 1e-12);
    for (size_t i = 0; i < c.present.size(); ++i) EXPECT_GE(c.present[i], c.absent[i]);
}

}  // namespace
}  // namespace s3attn
