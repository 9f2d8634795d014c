// Every option of a training run does what it says: another value, another outcome.
// tests/repo/options_test.py keeps the list of them whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "fake_text.h"
#include "model/fake_model.h"
#include "s3attn/reason.h"
#include "train/pipeline.h"
#include "train/pipeline_parts.h"

namespace s3attn {
namespace {

using testing::HasSubstr;

TrainOptions tiny() {
    TrainOptions options;
    options.model = "fake.gguf";
    options.corpus = {"texts"};
    options.out = "adapter";
    options.n_heads = 2;
    options.max_layer = 1;
    options.latents = 64;
    options.k = 4;
    options.sae_steps = 20;
    options.sae_tokens = 6000;
    options.cloze_pairs = 120;
    options.query_steps = 0;
    options.threads = 2;
    return options;
}

Corpus mixed_corpus() {
    Corpus corpus = fake_corpus(260, 1);
    Rng rng(9);
    corpus.other.clear();
    for (int block = 0; block < 60; ++block) {
        std::string text;
        for (int i = 0; i < 60; ++i) text += fake_word(rng) + "(" + fake_word(rng) + ");\n";
        corpus.other.push_back(text);
    }
    return corpus;
}

struct TrainedRun {
    Result<TrainedAdapter> result;
    std::string notes;
    nlohmann::json record() const { return nlohmann::json::parse(result->record); }
};

TrainedRun train(const TrainOptions& options, const QuestionWriter& writer = {}) {
    const auto scanner = make_fake_scanner();
    QuietSink sink;
    const CancelToken never;
    auto result = run_training(*scanner, mixed_corpus(), options, sink, never, writer);
    return {std::move(result), sink.notes};
}

const TrainedRun& usual() {
    static const TrainedRun run = train(tiny());
    return run;
}

TrainedRun changed(const std::function<void(TrainOptions&)>& change,
                   const QuestionWriter& writer = {}) {
    TrainOptions options = tiny();
    change(options);
    TrainedRun run = train(options, writer);
    EXPECT_TRUE(run.result.ok()) << run.result.error().message;
    return run;
}

bool another_key_side(const TrainedRun& run) {
    return run.result->adapter.key_side_hash != usual().result->adapter.key_side_hash;
}

TEST(TrainOptionsTest, SaeTokensIsACapAndKeepsTheMixture) {
    const CancelToken never;
    const auto tokenizer = make_fake_tokenizer();
    const Corpus corpus = mixed_corpus();
    double share = -1;
    for (const uint32_t tokens : {100u, 1000u, 3000u, 6000u, 12000u}) {
        TrainOptions options = tiny();
        options.sae_tokens = tokens;
        const auto cloze = split_cloze(corpus, options);
        ASSERT_TRUE(cloze.ok());
        const auto text = training_text(corpus, *cloze, *tokenizer, options);
        ASSERT_TRUE(text.ok());
        EXPECT_EQ(text->counts.total(), text->sae.ids.size());
        EXPECT_LE(text->sae.ids.size(), tokens);
        EXPECT_GE(text->sae.ids.size(), tokens - 1);
        const double other = static_cast<double>(text->counts.other) / tokens;
        if (share < 0) share = other;
        EXPECT_NEAR(other, share, 0.011) << tokens;
        EXPECT_GT(other, 0.15) << tokens;
        // Every training pair has its paragraph whole somewhere.
        std::set<uint32_t> spans(text->span_of.begin(), text->span_of.end());
        EXPECT_EQ(spans.size(), cloze->pairs.size() - cloze->n_held_out);
        EXPECT_EQ(spans.count(UINT32_MAX), 0u);
    }
}

TEST(TrainOptionsTest, SaeTokensChangesTheAutoencodersAndTheRecordSaysTheKinds) {
    const TrainedRun fewer = changed([](TrainOptions& o) { o.sae_tokens = 1500; });
    EXPECT_TRUE(another_key_side(fewer));
    const auto keys = fewer.record()["sae_keys"];
    EXPECT_EQ(fewer.record()["sae_tokens"], 1500);
    EXPECT_GT(keys["paragraphs_of_pairs"].get<int>(), 500);
    EXPECT_GT(keys["other_text"].get<int>(), 200);
    EXPECT_EQ(fewer.result->report.sae_keys.total(), 1500u);
    EXPECT_EQ(usual().result->report.sae_keys.total(), 6000u);
    // With the query side the rest of the pairs is read, too, and the key side stays what it is.
    const TrainedRun both =
        changed([](TrainOptions& o) { o.sae_tokens = 1500, o.query_steps = 3; });
    EXPECT_EQ(both.result->adapter.key_side_hash, fewer.result->adapter.key_side_hash);
    TrainOptions few = tiny();
    few.sae_tokens = 60;
    EXPECT_EQ(check_train_options(few).error().subject, "sae_tokens");
    few.sae_tokens = 200;
    few.latents = 256;
    EXPECT_EQ(check_train_options(few).error().subject, "sae_tokens,latents");
    EXPECT_EQ(check_train_options(few).error().reason, reason::kOption);
}

TEST(TrainOptionsTest, HeadsNHeadsMaxLayerAndChooseDecideTheHeads) {
    EXPECT_EQ(usual().result->report.chosen.size(), 2u);
    EXPECT_EQ(changed([](TrainOptions& o) { o.n_heads = 3; }).result->report.chosen.size(), 3u);
    const TrainedRun given = changed([](TrainOptions& o) { o.heads = {{1, 3}}; });
    ASSERT_EQ(given.result->report.chosen.size(), 1u);
    EXPECT_EQ(given.result->report.chosen[0].query_head, 3u);
    EXPECT_EQ(changed([](TrainOptions& o) { o.max_layer = 3; }).result->report.ranking.size(), 16u);
    EXPECT_EQ(usual().result->report.ranking.size(), 8u);
    const TrainedRun cheap = changed([](TrainOptions& o) { o.choice = HeadChoice::kPerLayer; });
    EXPECT_EQ(cheap.result->adapter.deepest_layer(), 0u);  // the fake's layers are alike
}

TEST(TrainOptionsTest, HeadsThatTheRangesExcludeAreRefusedByName) {
    const auto refused = [](const std::function<void(TrainOptions&)>& change) {
        TrainOptions options = tiny();
        change(options);
        const TrainedRun run = train(options);
        return run.result.ok() ? Error{} : run.result.error();
    };
    const Error deep = refused([](TrainOptions& o) { o.heads = {{3, 1}}, o.max_layer = 2; });
    EXPECT_THAT(deep.message, HasSubstr("3:1"));
    EXPECT_EQ(deep.subject, "heads,max_layer");
    const Error many = refused([](TrainOptions& o) { o.n_heads = 64; });
    EXPECT_EQ(many.subject, "n_heads,max_layer");
    EXPECT_THAT(many.message, HasSubstr("have 8"));
}

TEST(TrainOptionsTest, AnAdapterToDoubtIsWarnedOf) {
    const TrainedRun bad = changed(
        [](TrainOptions& o) { o.sae_steps = 1, o.latents = 1024, o.k = 64, o.sae_tokens = 1200; });
    ASSERT_FALSE(bad.result->report.warnings.empty());
    EXPECT_THAT(bad.result->report.warnings[0], HasSubstr("FVU"));
    EXPECT_THAT(bad.result->report.warnings[0], HasSubstr("KV head"));
    EXPECT_THAT(bad.notes, HasSubstr("warning: "));
    EXPECT_EQ(bad.record()["warnings"].size(), bad.result->report.warnings.size());
    EXPECT_TRUE(usual().record()["warnings"].is_array());
}

TEST(TrainOptionsTest, ClozePairsAreSoMany) {
    EXPECT_EQ(usual().record()["cloze_pairs"], 120);
    EXPECT_EQ(changed([](TrainOptions& o) { o.cloze_pairs = 140; }).record()["cloze_pairs"], 140);
}

TEST(TrainOptionsTest, LatentsKStepsSeedAndChunkShapeTheAutoencoders) {
    const TrainedRun latents = changed([](TrainOptions& o) { o.latents = 128; });
    EXPECT_EQ(latents.result->adapter.latents, 128u);
    EXPECT_EQ(changed([](TrainOptions& o) { o.k = 2; }).result->adapter.k, 2u);
    const TrainedRun steps = changed([](TrainOptions& o) { o.sae_steps = 30; });
    EXPECT_EQ(steps.result->report.saes[0].steps, 30u);
    EXPECT_TRUE(another_key_side(steps));
    EXPECT_TRUE(another_key_side(changed([](TrainOptions& o) { o.seed = 2; })));
    const auto scanner = make_fake_scanner({.chunk_tokens = 64});
    QuietSink sink;
    const CancelToken never;
    const auto chunked = run_training(*scanner, mixed_corpus(), tiny(), sink, never);
    ASSERT_TRUE(chunked.ok());
    EXPECT_EQ(nlohmann::json::parse(chunked->record)["chunk_tokens"], 64);
    EXPECT_NE(chunked->adapter.key_side_hash, usual().result->adapter.key_side_hash);
}

TEST(TrainOptionsTest, SaePatienceEndsEarly) {
    const auto steps = [](uint32_t patience) {
        return changed([patience](TrainOptions& o) {
                   o.sae_steps = 1500, o.sae_patience = patience, o.n_heads = 1, o.latents = 16;
                   o.sae_tokens = 1500;
               })
            .result->report.saes[0]
            .steps;
    };
    EXPECT_EQ(steps(0), 1500u);
    EXPECT_LT(steps(1), 1500u);
}

TEST(TrainOptionsTest, QueryStepsNegativesAndModelQuestionsTrainTheQuerySide) {
    EXPECT_TRUE(usual().result->adapter.heads[0].map.empty());
    const TrainedRun plain = changed([](TrainOptions& o) { o.query_steps = 12; });
    EXPECT_FALSE(plain.result->adapter.heads[0].map.empty());
    const TrainedRun hard =
        changed([](TrainOptions& o) { o.query_steps = 12, o.negatives = Negatives::kBm25; });
    EXPECT_EQ(hard.record()["query_side"]["negatives"], "bm25");
    EXPECT_NE(hard.record()["query_side"]["last_loss"], plain.record()["query_side"]["last_loss"]);
    int asked = 0;
    const TrainedRun written = changed(
        [](TrainOptions& o) { o.query_steps = 12, o.model_questions = 5; },
        [&asked](std::span<const QuestionTask> tasks) -> Result<std::vector<std::string>> {
            asked += static_cast<int>(tasks.size());
            return std::vector<std::string>(tasks.size(), "Who was it that came there first?");
        });
    EXPECT_EQ(asked, 5);
    EXPECT_EQ(written.record()["query_side"]["model_questions"], 5);
}

}  // namespace
}  // namespace s3attn
