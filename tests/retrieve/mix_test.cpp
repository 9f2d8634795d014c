// Voices and their mixtures: the grammar, the arithmetic of fusion, and what a filter leaves.
#include "retrieve/mix.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "memory_store.h"
#include "retrieve/score.h"
#include "score_cases.h"

namespace s3attn {
namespace {

std::vector<UnitNumber> numbers(const UnitList& units) {
    std::vector<UnitNumber> out;
    for (const RankedUnit& unit : units) out.push_back(unit.unit);
    return out;
}

// Scores of the test's choice.
class FixedVoice final : public Voice {
  public:
    FixedVoice(std::string name, UnitList units)
        : name_(std::move(name)), units_(std::move(units)) {
        sort_best_first(units_);
    }
    const std::string& name() const override { return name_; }
    Result<VoiceScores> score(const VoiceRequest& request) const override {
        S3ATTN_CHECK(check_cancelled(request.cancel));
        VoiceScores scores;
        scores.units = units_;
        return scores;
    }

  private:
    std::string name_;
    UnitList units_;
};

TEST(Mix, GrammarAndWhatIsNoneOfIt) {
    const auto mix = parse_mix("sum(rrf(bm25,dense):2,s3:0.5,bm25)");
    ASSERT_TRUE(mix.ok()) << mix.error().message;
    EXPECT_EQ(mix->kind, Mix::Kind::kSum);
    EXPECT_EQ(mix->parts[0].kind, Mix::Kind::kRanks);
    EXPECT_EQ(mix->parts[0].text, "rrf(bm25,dense)");
    EXPECT_EQ(mix->parts[0].weight, 2);
    EXPECT_EQ(mix->parts[1].weight, 0.5);
    EXPECT_EQ(voices_of(*mix), (std::vector<std::string>{"bm25", "dense", "s3"}));
    for (const char* bad : {"", "rrf", "rrf(bm25)", "rrf(bm25,s3", "bm25)", "sum(s3:0,bm25)",
                            "sum(s3:x,bm25)", "rrf(,bm25)", "s3:4"}) {
        EXPECT_FALSE(parse_mix(bad).ok()) << bad;
    }
    const std::string deep(20, '(');
    EXPECT_FALSE(parse_mix("rrf" + deep).ok());
}

TEST(Fuse, ReciprocalRanksByHand) {
    const UnitList a{{1, 9}, {2, 8}}, b{{2, 5}, {3, 4}};
    const UnitList fused = fuse(Mix::Kind::kRanks, {&a, &b}, {1, 1}, 4);
    EXPECT_EQ(numbers(fused), (std::vector<UnitNumber>{2, 1, 3}));
    EXPECT_DOUBLE_EQ(fused[0].score, 1.0 / 62 + 1.0 / 61);
    EXPECT_EQ(numbers(fuse(Mix::Kind::kRanks, {&a, &b}, {1, 3}, 4)),
              (std::vector<UnitNumber>{2, 3, 1}));
}

TEST(Fuse, WeightedSumByHand) {
    const UnitList a{{1, 10}, {2, 5}, {3, 0}}, b{{3, 2}, {1, 1}};
    const UnitList fused = fuse(Mix::Kind::kSum, {&a, &b}, {1, 1}, 4);
    EXPECT_EQ(numbers(fused), (std::vector<UnitNumber>{1, 3, 2}));  // .5, .5 (tie), .25
    EXPECT_DOUBLE_EQ(fused[0].score, 0.5);
    EXPECT_DOUBLE_EQ(fused[2].score, 0.25);
}

// Units behind the depth of every list go on below 0, in the order of the same sum.
TEST(Fuse, DepthByHand) {
    const UnitList s3{{2, 0.6}, {1, 0.2}, {0, 0.1}, {3, 0.05}}, bm25{{0, 2}, {1, 1}};
    std::vector<std::vector<double>> parts;
    const UnitList fused = fuse(Mix::Kind::kSum, {&s3, &bm25}, {3, 1}, 4, 3, &parts);
    EXPECT_EQ(numbers(fused), (std::vector<UnitNumber>{2, 0, 1, 3}));
    EXPECT_NEAR(fused[0].score, 3.0 / 4, 1e-12);
    EXPECT_NEAR(fused[1].score, 1.0 / 4, 1e-12);      // least attention, best words
    EXPECT_NEAR(fused[2].score, 3 * 0.2 / 4, 1e-12);  // (.2 - .1) / (.6 - .1), fewest words
    EXPECT_LT(fused[3].score, 0);
    EXPECT_NEAR(parts[1][0], 1.0 / 4, 1e-12);
    EXPECT_EQ(parts[1][2], 0);
}

TEST(RankUnits, AsksTheVoicesThatAreNamed) {
    MemoryStore store;
    for (const char* text : {"amber basalt", "amber", "cedar", "dolphin"}) {
        store.add_unit(DocumentId(1), text, 2);
    }
    const FixedVoice s3("s3", {{0, 0.1}, {1, 0.2}, {2, 0.6}, {3, 0.05}});
    const WordVoice words;
    const std::vector<const Voice*> voices{&s3, &words};
    const Filter all;
    const VoiceRequest request{"amber basalt", store, all};
    const auto alone = rank_units(voices, *parse_mix("bm25"), request);
    ASSERT_TRUE(alone.ok()) << alone.error().message;
    EXPECT_EQ(numbers(alone->units), (std::vector<UnitNumber>{0, 1}));
    EXPECT_EQ(alone->score("bm25", 0), 2.0);
    EXPECT_EQ(alone->score("s3", 0), 0.0);
    const auto both = rank_units(voices, *parse_mix("sum(s3:3,bm25:1)"), request);
    ASSERT_TRUE(both.ok());
    EXPECT_EQ(both->units.size(), 4u);
    EXPECT_EQ(both->voices, (std::vector<std::string>{"s3", "bm25"}));
    EXPECT_EQ(both->score("s3", 2), 0.6);
    for (const RankedUnit& unit : both->units) {
        EXPECT_NEAR(both->brought[0][unit.unit] + both->brought[1][unit.unit], unit.score, 1e-12);
    }
    const auto unknown = rank_units(voices, *parse_mix("rrf(s3,dense)"), request);
    ASSERT_FALSE(unknown.ok());
    EXPECT_NE(unknown.error().message.find("'dense'"), std::string::npos);
    CancelToken cancel;
    cancel.cancel();
    EXPECT_EQ(
        rank_units(voices, *parse_mix("bm25"), {"amber", store, all, 0, &cancel}).error().code,
        ErrorCode::kCancelled);
}

// A filter is as good as a store without the other units, to the last bit.
RC_GTEST_PROP(Filter, ScoresAreThoseOfASmallerStore, ()) {
    const Case c = random_case(*rc::gen::arbitrary<uint32_t>(), random_shape());
    const auto& units = c.store.extents;
    std::vector<UnitNumber> allowed;
    Case smaller = c;
    smaller.store.extents.clear();
    for (UnitNumber u = 0; u < units.size(); ++u) {
        if (*rc::gen::inRange(0, 3) == 0) continue;
        allowed.push_back(u);
        smaller.store.extents.push_back(units[u]);
    }
    const Filter filter(allowed);
    ScoreOptions options;
    options.threads = 2;
    options.filter = &filter;
    const auto filtered = score_attention(c.store, c.query, options);
    const auto alone = score_attention(smaller.store, c.query, 1);
    RC_ASSERT(filtered.ok() && alone.ok());
    RC_ASSERT(alone->mass.size() == allowed.size());
    if (allowed.empty()) return;
    std::vector<double> expected(units.size());
    for (size_t i = 0; i < allowed.size(); ++i) expected[allowed[i]] = alone->mass[i];
    RC_ASSERT(filtered->mass == expected);
    RC_ASSERT(filtered->best_cosine == alone->best_cosine);
    RC_ASSERT(filtered->log_total == alone->log_total);
}

TEST(Filter, OfDocuments) {
    MemoryStore store;
    for (int64_t document : {1, 2, 3, 2}) store.add_unit(DocumentId(document), "words", 1);
    const auto some = filter_documents(store, *store.documents(), [](const DocumentInfo& each) {
        return each.doc_id == DocumentId(2);
    });
    ASSERT_TRUE(some.ok()) << some.error().message;
    EXPECT_EQ(some->allowed(), (std::vector<UnitNumber>{1, 3}));
    EXPECT_TRUE(some->allows(3));
    EXPECT_FALSE(some->allows(0));
    const auto every =
        filter_documents(store, *store.documents(), [](const DocumentInfo&) { return true; });
    EXPECT_TRUE(every->all());
}

}  // namespace
}  // namespace s3attn
