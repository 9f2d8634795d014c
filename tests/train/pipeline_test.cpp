#include "train/pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "broken_scanner.h"
#include "fake_text.h"
#include "train/scoring.h"

namespace s3attn {
namespace {

using testing::HasSubstr;

TrainOptions small_options() {
    TrainOptions options;
    options.model = "/somewhere/fake.gguf";
    options.corpus = {"/elsewhere/texts"};
    options.out = "/nowhere/fake-adapter";
    options.n_heads = 3;
    options.max_layer = 2;
    options.latents = 256;
    options.k = 4;
    options.sae_steps = 60;
    options.sae_tokens = 12000;
    options.cloze_pairs = 200;
    options.threads = 2;
    options.query_steps = 0;
    return options;
}

Result<TrainedAdapter> train(const TrainOptions& options, Scanner& scanner, QuietSink& sink,
                             uint32_t paragraphs = 260) {
    const CancelToken never;
    return run_training(scanner, fake_corpus(paragraphs, 1), options, sink, never);
}

Result<TrainedAdapter> train(const TrainOptions& options) {
    const auto scanner = make_fake_scanner();
    QuietSink sink;
    return train(options, *scanner, sink);
}

TEST(Pipeline, MakesAValidAdapterOverTheFake) {
    const auto scanner = make_fake_scanner();
    QuietSink sink;
    const auto result = train(small_options(), *scanner, sink);
    ASSERT_TRUE(result.ok()) << result.error().message;
    Adapter adapter = result->adapter;
    EXPECT_TRUE(validate_adapter(adapter).ok());
    EXPECT_EQ(adapter.heads.size(), 3u);
    EXPECT_EQ(adapter.model_hash, scanner->info().file_hash);
    EXPECT_LE(adapter.deepest_layer(), 2u);
    for (const QueryHead& head : adapter.heads) EXPECT_TRUE(head.map.empty());
    EXPECT_EQ(result->report.ranking.size(), 12u);  // layers 0 to 2, four heads
    EXPECT_EQ(result->report.saes.size(), adapter.slots.size());
    EXPECT_GT(result->report.recall_at_10, 0.7);
    EXPECT_GT(adapter.evidence_floor, 0);
    EXPECT_EQ(sink.overshoots, 0);
    for (const char* stage :
         {"scan for head selection", "rank heads", "scan corpus", "train SAEs"}) {
        EXPECT_THAT(sink.stages, HasSubstr(stage));
    }
}

TEST(Pipeline, RecordTellsHowItWasMadeWithoutPathsOfTheMachine) {
    const auto result = train(small_options());
    ASSERT_TRUE(result.ok());
    const auto record = nlohmann::json::parse(result->record);
    EXPECT_EQ(record["command"].get<std::string>().find('/'), std::string::npos);
    EXPECT_THAT(record["command"].get<std::string>(), HasSubstr("--sae-steps 60"));
    EXPECT_EQ(record["corpus"][0]["name"], "fake.txt");
    EXPECT_EQ(record["selection"]["ranking"].size(), 12u);
    EXPECT_EQ(record["saes"].size(), result->adapter.slots.size());
    EXPECT_EQ(record["seed"], 1);
}

// As on a card, whose 16-bit sums may overflow for one text and not for another.
TEST(Pipeline, RowsThatAreNotFiniteAreNamedAndNothingIsMade) {
    for (const Projection broken : {Projection::kKey, Projection::kQuery}) {
        QuietSink sink;
        ChangedScanner scanner({}, [&](uint32_t, Projection p, uint32_t, std::span<float> row) {
            const bool chosen = sink.stages.find("scan corpus") != std::string::npos;
            if (chosen && p == broken) row[3] = std::nanf("");
        });
        const auto result = train(small_options(), scanner, sink);
        ASSERT_FALSE(result.ok());
        EXPECT_EQ(result.error().code, ErrorCode::kUnsupported);
        EXPECT_THAT(result.error().message, HasSubstr("not finite"));
        EXPECT_THAT(result.error().message,
                    HasSubstr(broken == Projection::kKey ? "keys" : "queries"));
        EXPECT_THAT(result.error().message, HasSubstr("on the processor"));
    }
}

TEST(Pipeline, DeterministicForASeed) {
    const TrainOptions options = small_options();
    const auto a = train(options), b = train(options);
    ASSERT_TRUE(a.ok() && b.ok());
    EXPECT_EQ(a->adapter.key_side_hash, b->adapter.key_side_hash);
    EXPECT_EQ(a->adapter.evidence_floor, b->adapter.evidence_floor);
    TrainOptions other = options;
    other.seed = 2;
    EXPECT_NE(train(other)->adapter.key_side_hash, a->adapter.key_side_hash);
}

TEST(Pipeline, TheIndexDoesNotDependOnTheQuerySide) {
    TrainOptions options = small_options();
    const auto plain = train(options);
    options.query_steps = 30;
    const auto trained = train(options);
    ASSERT_TRUE(plain.ok() && trained.ok());
    EXPECT_EQ(plain->adapter.key_side_hash, trained->adapter.key_side_hash);
    EXPECT_FALSE(trained->adapter.heads[0].map.empty());
    EXPECT_TRUE(validate_adapter(trained->adapter).ok());
}

TEST(Pipeline, GivenHeadsAreUsed) {
    TrainOptions options = small_options();
    options.max_layer = -1;  // the heads say how deep
    options.heads = {{3, 1}, {0, 2}};
    const auto result = train(options);
    ASSERT_TRUE(result.ok()) << result.error().message;
    EXPECT_EQ(result->report.chosen.size(), 2u);
    EXPECT_EQ(result->adapter.deepest_layer(), 3u);
    options.heads = {{4, 0}};
    EXPECT_THAT(train(options).error().message, HasSubstr("(4,0) does not exist"));
    options.heads = {{1, 0}, {1, 0}};
    EXPECT_THAT(train(options).error().message, HasSubstr("named twice"));
}

TEST(Pipeline, GivenDeadHeadIsRefused) {
    ChangedScanner scanner({}, [](uint32_t layer, Projection, uint32_t, std::span<float> row) {
        if (layer == 1) std::fill(row.begin(), row.end(), 1.0f);
    });
    TrainOptions options = small_options();
    options.heads = {{1, 0}, {2, 0}};
    QuietSink sink;
    const auto result = train(options, scanner, sink);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, ErrorCode::kUnsupported);
    EXPECT_THAT(result.error().message, HasSubstr("(1,0)"));
    options.heads.clear();
    ASSERT_TRUE(train(options, scanner, sink).ok());
    EXPECT_THAT(sink.notes, HasSubstr("(1,3)"));
}

TEST(Pipeline, SmallCorpusSaysWhatIsMissing) {
    const auto scanner = make_fake_scanner();
    QuietSink sink;
    const auto result = train(small_options(), *scanner, sink, 30);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(result.error().message, HasSubstr("30 paragraphs"));
}

TEST(Pipeline, ScannerErrorsAndCancellationComeThrough) {
    FakeOptions fake;
    int calls = 0;
    fake.on_capture = [&]() -> Status {
        return ++calls == 20 ? Status(make_error(ErrorCode::kIo, "disk gone")) : Status();
    };
    const auto scanner = make_fake_scanner(fake);
    QuietSink sink;
    const auto failed = train(small_options(), *scanner, sink);
    ASSERT_FALSE(failed.ok());
    EXPECT_EQ(failed.error().message, "disk gone");

    CancelToken token;
    FakeOptions cancelling;
    cancelling.on_capture = [&]() -> Status {
        token.cancel();
        return {};
    };
    const auto other = make_fake_scanner(cancelling);
    const auto result = run_training(*other, fake_corpus(260, 1), small_options(), sink, token);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
}

TEST(TrainAdapter, BadOptionsAreRefusedBeforeAnyWork) {
    QuietSink sink;
    const CancelToken never;
    const auto message = [&](const std::function<void(TrainOptions&)>& spoil) {
        TrainOptions options = small_options();
        spoil(options);
        const auto result = train_adapter(options, sink, never);
        return result.ok() ? std::string("accepted") : result.error().message;
    };
    EXPECT_THAT(message([](auto& o) { o.model.clear(); }), HasSubstr("no model"));
    EXPECT_THAT(message([](auto& o) { o.out.clear(); }), HasSubstr("output directory"));
    EXPECT_THAT(message([](auto& o) { o.corpus.clear(); }), HasSubstr("no corpus"));
    EXPECT_THAT(message([](auto& o) { o.latents = 70000; }), HasSubstr("latents"));
    EXPECT_THAT(message([](auto& o) { o.k = 0; }), HasSubstr("k must be"));
    EXPECT_THAT(message([](auto& o) { o.n_heads = 0; }), HasSubstr("0 heads"));
    EXPECT_THAT(message([](auto& o) { o.sae_steps = 0; }), HasSubstr("0 steps"));
    EXPECT_THAT(message([](auto& o) { o.corpus = {"/nowhere/at/all.txt"}; }),
                HasSubstr("/nowhere/at/all.txt"));
}

TEST(TrainAdapter, ExistingOutputIsNotOverwritten) {
    const auto path =
        std::filesystem::temp_directory_path() / ("s3attn_train_out_" + std::to_string(getpid()));
    std::filesystem::create_directories(path);
    std::ofstream(path / "precious") << "x";
    TrainOptions options = small_options();
    options.out = path.string();
    QuietSink sink;
    const CancelToken never;
    const auto result = train_adapter(options, sink, never);
    ASSERT_FALSE(result.ok());
    EXPECT_THAT(result.error().message, HasSubstr(path.string()));
    EXPECT_TRUE(std::filesystem::exists(path / "precious"));
    std::filesystem::remove_all(path);
}

}  // namespace
}  // namespace s3attn
