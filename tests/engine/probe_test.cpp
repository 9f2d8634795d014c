#include "engine/probe.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/engine_parts.h"
#include "engine_fixture.h"
#include "s3attn/reason.h"

namespace s3attn {
namespace {

class ProbeTest : public EngineTest {
  protected:
    Probe& probe() {
        if (probe_) return *probe_;
        ProbeParts parts;
        parts.model = fake_model_info(model_);
        parts.adapter = adapter_;
        parts.threads = 2;
        parts.chunk_tokens = 8;
        parts.open_scanner = [this](uint32_t deepest, const CancelToken*) {
            opened_.push_back(deepest);
            FakeOptions options = model_;
            options.mean_weight = 0;
            options.chunk_tokens = 8;
            return Result<std::unique_ptr<Scanner>>(make_fake_scanner(options));
        };
        probe_ = make_probe(std::move(parts));
        return *probe_;
    }
    std::vector<uint32_t> opened_;
    std::unique_ptr<Probe> probe_;
};

TEST_F(ProbeTest, CodesOfATextAreTheCodesOfItsKeys) {
    const std::string text = "The mill at Ost grinds rye and barley for three villages by the sea.";
    const auto codes = probe().codes(text, nullptr);
    ASSERT_TRUE(codes.ok()) << codes.error().message;
    const size_t n = codes->text.ids.size();
    ASSERT_GT(n, 8u) << "more than one window";
    EXPECT_EQ(codes->codes.rows, n);
    EXPECT_EQ(codes->text.begin.size(), n + 1);
    EXPECT_EQ(codes->text.begin.back(), text.size());
    EXPECT_EQ(codes->codes.feature.size(), n * codes->codes.slots * codes->codes.k);

    const auto keys = probe().keys(text, {{1, 0}}, nullptr);
    ASSERT_TRUE(keys.ok()) << keys.error().message;
    const auto again = probe().encode(0, keys->rows);
    ASSERT_TRUE(again.ok()) << again.error().message;
    EXPECT_EQ(again->feature, codes->codes.feature);
    EXPECT_EQ(again->activation, codes->codes.activation);

    const auto decoded = probe().decode(0, *again);
    ASSERT_TRUE(decoded.ok()) << decoded.error().message;
    const size_t d = keys->d_head;
    for (size_t t = 0; t < n; ++t) {
        double norm = 0, along = 0, key = 0;
        for (size_t i = t * d; i < (t + 1) * d; ++i) {
            norm += std::pow((*decoded)[i], 2);
            key += std::pow(keys->rows[i], 2);
            along += (*decoded)[i] * keys->rows[i];
        }
        EXPECT_NEAR(norm, 1, 0.05);
        EXPECT_GT(along / std::sqrt(norm * key), 0.5) << "token " << t;
    }
}

TEST_F(ProbeTest, DeeperHeadsOpenTheModelOnce) {
    ASSERT_TRUE(probe().codes("one two", nullptr).ok());
    for (int i = 0; i < 2; ++i) {
        const auto rows = probe().queries("one two", {{3, 2}, {0, 1}}, nullptr);
        ASSERT_TRUE(rows.ok()) << rows.error().message;
        EXPECT_EQ(rows->rows.size(), 2 * rows->text.ids.size() * rows->d_head);
    }
    ASSERT_TRUE(probe().codes("three", nullptr).ok());
    EXPECT_EQ(opened_, (std::vector<uint32_t>{1, 3}));
}

TEST_F(ProbeTest, HeadsComeInTheOrderAsked) {
    const auto both = probe().keys("one two", {{2, 1}, {1, 0}}, nullptr);
    const auto alone = probe().keys("one two", {{2, 1}}, nullptr);
    ASSERT_TRUE(both.ok() && alone.ok());
    const std::vector<float> first(both->rows.begin(),
                                   both->rows.begin() + static_cast<long>(alone->rows.size()));
    EXPECT_EQ(first, alone->rows);
}

// The documented formulas, from what the probe gives, are what search ranks by.
TEST_F(ProbeTest, LaneScoresExplainTheSearch) {
    index({file("a.txt", kLighthouse), file("b.txt", kMill)});
    const std::string question = "Who built the lighthouse on Varn?";
    const auto opened = Store::open(path());
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    const auto lanes = probe().lane_scores(*opened, question, nullptr);
    ASSERT_TRUE(lanes.ok()) << lanes.error().message;
    const auto weights = probe().query_weights(question, nullptr);
    ASSERT_TRUE(weights.ok()) << weights.error().message;
    const size_t n = lanes->text.ids.size(), heads = lanes->heads, units = lanes->units.size();
    ASSERT_GT(units, 1u);
    ASSERT_EQ(weights->share.size(), heads * n);
    const ProbeInfo& info = probe().info();

    for (size_t u = 0; u < units; ++u) {
        double mass = 0;
        for (size_t h = 0; h < heads; ++h) {
            for (size_t t = 0; t < n; ++t) {
                const double score = lanes->score[(u * heads + h) * n + t];
                mass += info.heads[h].mixture * weights->share[h * n + t] *
                        std::exp(info.heads[h].temperature * score - lanes->log_total[h * n + t]);
            }
        }
        EXPECT_NEAR(mass, lanes->mass[u], 1e-6);
    }

    SearchOptions only;
    only.method = "s3";
    const auto found = engine().search(*opened, question, only);
    ASSERT_TRUE(found.ok()) << found.error().message;
    size_t best = 0;
    for (size_t u = 0; u < units; ++u) {
        if (lanes->mass[u] > lanes->mass[best]) best = u;
    }
    EXPECT_NEAR(found->spans.front().score_of("s3"), lanes->mass[best], 1e-6);
    EXPECT_EQ(found->spans.front().byte_begin, lanes->begin[best]);

    // A token's score in a lane is the sum of weight times stored activation.
    const auto codes = probe().codes(kLighthouse, nullptr);
    ASSERT_TRUE(codes.ok());
    double top = -1;
    for (size_t t = 0; t < codes->text.ids.size(); ++t) {
        if (codes->text.begin[t] >= lanes->end[0]) break;
        double sum = 0;
        for (size_t j = t * codes->codes.k; j < (t + 1) * codes->codes.k; ++j) {
            sum += weights->weight[codes->codes.feature[j] * n + 1] * codes->codes.activation[j];
        }
        top = std::max(top, sum);
    }
    EXPECT_NEAR(top, lanes->score[1], 2e-3) << "head 0, question token 1";
}

TEST_F(ProbeTest, WhatIsNotThereIsNamed) {
    EXPECT_NE(probe().keys("a", {{9, 0}}, nullptr).error().message.find("layer 9"),
              std::string::npos);
    EXPECT_NE(probe().keys("a", {{1, 2}}, nullptr).error().message.find("KV head 2"),
              std::string::npos);
    EXPECT_EQ(probe().keys("a", {}, nullptr).error().subject, "heads");
    EXPECT_EQ(probe().encode(4, {}).error().subject, "slot");
    EXPECT_EQ(probe().encode(0, {1, 2, 3}).error().subject, "rows");
    SparseCodes codes;
    codes.rows = codes.slots = codes.k = 1;
    codes.feature = {60000};
    codes.activation = {1};
    EXPECT_EQ(probe().decode(0, codes).error().code, ErrorCode::kInvalidArgument);
    CancelToken cancel;
    cancel.cancel();
    EXPECT_EQ(probe().codes("a b c", &cancel).error().code, ErrorCode::kCancelled);
    ASSERT_TRUE(probe().codes("a b c", nullptr).ok());
}

}  // namespace
}  // namespace s3attn
