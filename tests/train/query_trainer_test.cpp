#include "train/query_trainer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "random_set.h"

namespace s3attn {
namespace {

ContrastiveBatch batch_of(const RetrievalSet& set, uint32_t n_questions, uint32_t n_units) {
    ContrastiveBatch batch;
    for (uint32_t p = 0; p < n_units; ++p) batch.units.push_back(n_units - 1 - p);
    for (uint32_t q = 0; q < n_questions; ++q) {
        if (set.gold[q][0] >= n_units) continue;
        batch.questions.push_back(q);
        batch.gold_at.push_back(n_units - 1 - set.gold[q][0]);
    }
    return batch;
}

class Gradient : public testing::Test {
  protected:
    // Central differences of one parameter against the hand-written gradient.
    void check(float& parameter, float gradient, const char* what) {
        const float start = parameter, h = 2e-3f;
        parameter = start + h;
        const double up = loss();
        parameter = start - h;
        const double down = loss();
        parameter = start;
        const double numeric = (up - down) / (2.0 * h);
        EXPECT_NEAR(gradient, numeric, 2e-3 + 0.02 * std::fabs(numeric)) << what;
        moved_ += std::fabs(numeric) > 1e-3;
    }
    double loss() { return contrastive_loss(set_, params_, batch_, 1e-2, pool_, nullptr); }

    RetrievalSet set_ = random_set(6, 14, 10, 2, 3, 21);
    std::vector<QueryHeadParams> params_ = random_params(6, 3, 22);
    ContrastiveBatch batch_ = batch_of(set_, 10, 12);
    ThreadPool pool_{2};
    int moved_ = 0;
};

TEST_F(Gradient, MatchesFiniteDifferences) {
    std::vector<QueryHeadParams> gradient;
    contrastive_loss(set_, params_, batch_, 1e-2, pool_, &gradient);
    for (size_t j = 0; j < params_.size(); ++j) {
        for (size_t i = 0; i < 36; ++i) check(params_[j].map[i], gradient[j].map[i], "map");
        for (size_t i = 0; i < 6; ++i) {
            check(params_[j].bias[i], gradient[j].bias[i], "bias");
            check(params_[j].token_weight[i], gradient[j].token_weight[i], "token weight");
        }
        check(params_[j].log_temperature, gradient[j].log_temperature, "temperature");
        check(params_[j].mixture_logit, gradient[j].mixture_logit, "mixture");
    }
    EXPECT_GT(moved_, 60);  // the check is empty if nothing depends on anything
}

TEST_F(Gradient, LossIsTheScorersProbability) {
    std::vector<uint32_t> all(set_.units.size());
    for (uint32_t p = 0; p < all.size(); ++p) all[p] = p;
    ContrastiveBatch batch{{4}, all, {set_.gold[4][0]}};
    const double loss = contrastive_loss(set_, params_, batch, 0, pool_, nullptr);
    score_questions(set_, params_, 4, 5, pool_,
                    [&](uint32_t, std::span<const float> mass, std::span<const float>) {
                        EXPECT_NEAR(loss, -std::log(mass[set_.gold[4][0]]), 1e-3);
                    });
}

// Queries are rotated copies of a key of their paragraph: the map must learn to turn them back.
RetrievalSet rotated_set(uint64_t seed) {
    RetrievalSet set = random_set(8, 200, 200, 1, 2, seed);
    const uint32_t d = set.d;
    uint32_t at = 0;
    for (auto& head : set.heads) head.queries.clear();
    for (uint32_t q = 0; q < 200; ++q) {
        set.gold[q] = {q};
        set.questions[q] = {at, at + 1};
        ++at;
        std::vector<float> key(d);
        set.keys[0].read(set.units[q].begin, 1, key.data());
        for (auto& head : set.heads) {
            for (uint32_t i = 0; i < d; ++i) head.queries.push_back(key[(i + 3) % d]);
        }
    }
    return set;
}

TEST(QueryTrainer, LearnsAHiddenRotationAndKeepsTheBestState) {
    const RetrievalSet train = rotated_set(1), held_out = rotated_set(2);
    QueryTrainOptions options;
    options.steps = 300;
    options.rate = 2e-2f;
    options.batch = 32;
    options.batch_units = 100;
    options.regulariser = 1e-4;
    ThreadPool pool(2);
    const CancelToken never;
    const auto result = train_queries(train, held_out, 0, 100, options, pool, {}, never);
    ASSERT_TRUE(result.ok());
    EXPECT_LT(result->last_loss, 0.7 * result->first_loss);
    EXPECT_GT(result->held_out_after, result->held_out_before + 0.3);
    EXPECT_NEAR(recall_of(held_out, result->params, 0, 100, pool).mean(), result->held_out_after,
                1e-9);
}

TEST(QueryTrainer, SameSeedSameResultForAnyThreadCount) {
    const RetrievalSet set = rotated_set(3);
    QueryTrainOptions options;
    options.steps = 8;
    const CancelToken never;
    ThreadPool one(1), three(3);
    const auto a = train_queries(set, set, 0, 20, options, one, {}, never);
    const auto b = train_queries(set, set, 0, 20, options, three, {}, never);
    ASSERT_TRUE(a.ok() && b.ok());
    EXPECT_EQ(a->last_loss, b->last_loss);
    EXPECT_EQ(a->params[0].map, b->params[0].map);
}

TEST(QueryTrainer, CancelStops) {
    const RetrievalSet set = rotated_set(4);
    CancelToken token;
    token.cancel();
    ThreadPool pool(1);
    const auto result = train_queries(set, set, 0, 20, {}, pool, {}, token);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace s3attn
