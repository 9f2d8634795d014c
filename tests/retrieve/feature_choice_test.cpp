// Which features of a question token are read, and what that changes.
#include "retrieve/feature_choice.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "retrieve/score.h"
#include "score_cases.h"

namespace s3attn {
namespace {

// Reading chosen lists only gives what the weights without the others give: the same bits as the
// dense way, and the twin's scores within its tolerance.
RC_GTEST_PROP(ScoreAttention, ChosenFeaturesEqualTheirWeightsAlone, ()) {
    const CaseShape shape = random_shape();
    const Case c = random_case(*rc::gen::arbitrary<uint32_t>(), shape);
    const auto count = *rc::gen::inRange<uint32_t>(0, 12);
    ThreadPool pool(2);
    const auto means = feature_means(c.store);
    RC_ASSERT(means.ok());
    const FeatureChoice choice = choose_features(c.query, count, *means, pool);
    const QueryCodes kept = keep_chosen(c.query, choice);
    ScoreOptions options;
    options.threads = *rc::gen::inRange<uint32_t>(1, 4);
    options.choice = &choice;
    const auto sparse = score_attention(c.store, c.query, options);
    const auto dense = score_attention(c.store, kept, 1);
    const auto slow = score_attention_reference(c.store, kept);
    RC_ASSERT(sparse.ok());
    RC_ASSERT(dense.ok());
    RC_ASSERT(slow.ok());
    RC_ASSERT(sparse->mass == dense->mass);
    RC_ASSERT(sparse->best_cosine == dense->best_cosine);
    RC_ASSERT(sparse->postings == dense->postings);
    RC_ASSERT(dense->postings_read == dense->postings);
    RC_ASSERT(sparse->postings_read <= sparse->postings);
    const double worst = shape.k * 0.002 * 256 / (32767.0 / shape.k - 1);
    const double tolerance = std::exp(2 * shape.temperature * worst) - 1;
    for (size_t u = 0; u < slow->mass.size(); ++u) {
        RC_ASSERT(std::abs(sparse->mass[u] - slow->mass[u]) <= tolerance * slow->mass[u] + 1e-6);
    }
}

TEST(FeatureChoiceTest, TakesTheLargestProductsAndBreaksTiesByFeature) {
    QueryCodes query;
    query.n_tokens = 1;
    query.latents = 6;
    query.heads = {{0, 16.0f, 1.0f, {1.0f, 3.0f, 2.0f, -9.0f, 2.0f, 0.0f}, {1.0f}}};
    const FeatureMeans means{{4.0f, 1.0f, 1.0f, 5.0f, 1.0f, 9.0f}};
    ThreadPool pool(1);
    const auto chosen = [&](uint32_t n) {
        return choose_features(query, n, means, pool).features[0][0];
    };
    EXPECT_EQ(chosen(1), (std::vector<uint32_t>{0}));
    EXPECT_EQ(chosen(3), (std::vector<uint32_t>{0, 1, 2}));
    EXPECT_EQ(chosen(100), (std::vector<uint32_t>{0, 1, 2, 4}));
    EXPECT_EQ(keep_chosen(query, choose_features(query, 2, means, pool)).heads[0].weight,
              (std::vector<float>{1, 3, 0, 0, 0, 0}));
}

TEST(FeatureChoiceTest, CountsThePostingsThatAreRead) {
    Case c;
    c.store.shape_value = {1, 4, 2};
    std::vector<std::vector<TokenCode>> tokens(1, std::vector<TokenCode>(100, {{1, 9}, {2, 9}}));
    tokens[0][7] = {{0, 5}};
    c.store.segment_list = {std::make_shared<MemorySegment>(0, 4, 2, tokens)};
    c.store.extents = {extent(1, 0, 50), extent(2, 50, 50)};
    c.query.n_tokens = 1;
    c.query.latents = 4;
    c.query.heads = {{0, 16.0f, 1.0f, {0.001f, 0.002f, 0.0005f, 0.001f}, {1.0f}}};
    ScoreOptions options;
    options.max_features = 1;
    const auto scores = score_attention(c.store, c.query, options);
    ASSERT_TRUE(scores.ok());
    EXPECT_EQ(scores->postings, 199u);
    EXPECT_EQ(scores->postings_read, 99u);
}

}  // namespace
}  // namespace s3attn
