// The weight that depends on the question, and the scores of vectors, by hand.
#include "retrieve/fusion.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "retrieve/vector_scores.h"

namespace s3attn {
namespace {

std::vector<RankedUnit> list(const std::vector<double>& scores, UnitNumber first = 0) {
    std::vector<RankedUnit> units;
    for (const double score : scores) units.push_back({first++, score});
    return units;
}

double value_of(const std::vector<FusionFeature>& features, const std::string& name) {
    for (const FusionFeature& each : features) {
        if (each.name == name) return each.value;
    }
    ADD_FAILURE() << "no feature " << name;
    return 0;
}

TEST(Fusion, FeaturesByHand) {
    // Units 0 to 11 by attention, 5 to 16 by words: 5 to 9 are among the ten best of both.
    std::vector<double> attention(12, 0.05), words{20};
    attention[0] = 0.45;
    for (int i = 1; i < 12; ++i) words.push_back(11 - i * 0.5);
    const auto features = fusion_features(list(attention), list(words, 5), "Who built it then?");
    EXPECT_NEAR(value_of(features, "bm25_gap"), (20 - 6.5) / 20, 1e-12);
    EXPECT_NEAR(value_of(features, "agreement"), 0.5, 1e-12);
    EXPECT_NEAR(value_of(features, "s3_gap"), std::log(9.0), 1e-12);
    EXPECT_NEAR(value_of(features, "s3_top"), std::log(0.45 * 12), 1e-12);
    EXPECT_NEAR(value_of(features, "words"), std::log(4.0), 1e-12);
}

TEST(Fusion, ListsOfAnyLengthHaveFeatures) {
    for (size_t n = 0; n < 3; ++n) {
        for (size_t m = 0; m < 3; ++m) {
            for (const FusionFeature& each : fusion_features(
                     list(std::vector<double>(n, 0.0)), list(std::vector<double>(m, 1.0)), "")) {
                EXPECT_TRUE(std::isfinite(each.value)) << each.name << " " << n << " " << m;
            }
        }
    }
}

TEST(Fusion, TheShareIsALogisticOfTheFeatures) {
    FusionModel model;
    model.bias = 0.5;
    model.features = {{"agreement", 0.6, 0.2, -1.5}, {"words", 2, 0.5, 0.25}};
    const std::vector<FusionFeature> features{{"words", 3}, {"agreement", 0.8}, {"other", 9}};
    const auto share = attention_share(model, features);
    ASSERT_TRUE(share.ok());
    EXPECT_NEAR(*share, 1 / (1 + std::exp(-(0.5 - 1.5 + 0.5))), 1e-12);
    model.features[0].name = "unheard-of";
    EXPECT_FALSE(attention_share(model, features).ok());
}

TEST(VectorScores, EqualPlainSums) {
    std::mt19937 random(3);
    for (const uint32_t dimension : {1u, 15u, 16u, 100u, 384u}) {
        UnitVectors vectors;
        vectors.dimension = dimension;
        std::vector<float> question(dimension);
        for (float& value : question) value = static_cast<float>(random() % 1000) / 1000 - 0.5f;
        for (int u = 0; u < 5; ++u) {
            vectors.scales.push_back(u == 2 ? 0.0f : 0.01f * static_cast<float>(u + 1));
            for (uint32_t i = 0; i < dimension; ++i) {
                vectors.codes.push_back(static_cast<int8_t>(random() % 255) - 127);
            }
        }
        const std::vector<double> scores = vector_scores(vectors, question);
        ASSERT_EQ(scores.size(), 5u);
        for (size_t u = 0; u < 5; ++u) {
            double sum = 0;
            for (uint32_t i = 0; i < dimension; ++i) {
                sum += double{vectors.scales[u]} * vectors.codes[u * dimension + i] * question[i];
            }
            EXPECT_NEAR(scores[u], sum, 1e-4 * dimension);
        }
        EXPECT_EQ(scores[2], 0);
    }
}

}  // namespace
}  // namespace s3attn
