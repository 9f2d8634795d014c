// The second stage as a search runs it, over the fake model.
#include <algorithm>

#include "engine_fixture.h"

namespace s3attn {
namespace {

class RerankTest : public EngineTest {
  protected:
    // An engine whose second stage is the fake model.
    void with_stage(const RerankOptions& rerank, double seconds_per_token = 0,
                    bool on_device = false, uint32_t window = 4096) {
        EngineParts own = parts();
        own.rerank = rerank;
        own.open_stage = [=, this]() -> Result<std::unique_ptr<ContextStage>> {
            ++stages_opened_;
            ContextStage::Parts stage;
            stage.heads = {{{1, 0}, {2, 1}}, true, 0.0f};
            stage.model_name = "fake.gguf";
            stage.threads = 2;
            stage.on_device = on_device;
            stage.seconds_per_token = seconds_per_token;
            stage.open = [=, this](ProgressSink*) -> Result<std::unique_ptr<ContextModel>> {
                ++models_opened_;
                FakeOptions options = model_;
                options.context_tokens = window;
                return make_fake_context_model(options);
            };
            return std::make_unique<ContextStage>(std::move(stage));
        };
        engine_ = make_engine(std::move(own));
    }
    static RerankOptions on(uint32_t units) {
        RerankOptions options;
        options.mode = RerankOptions::Mode::kOn;
        options.units = units;
        return options;
    }
    SearchResult search(const std::string& question, const SearchOptions& options = {}) {
        auto found = engine().search(store(), question, options);
        EXPECT_TRUE(found.ok()) << found.error().message;
        return found.ok() ? *found : SearchResult{};
    }
    std::atomic<int> stages_opened_{0}, models_opened_{0};
};

const char* kQuestion = "lamp oil winter";

TEST_F(RerankTest, ReadsTheFirstUnitsAgainAndKeepsTheRestBehind) {
    with_stage(on(2));
    index({file("a.txt", kLighthouse), file("b.txt", kMill)});
    SearchOptions options;
    options.explain = true;
    const SearchResult found = search(kQuestion, options);
    EXPECT_TRUE(found.rerank.done);
    EXPECT_EQ(found.rerank.units, 2u);
    EXPECT_EQ(found.rerank.left_out, 0u);
    EXPECT_GT(found.rerank.tokens, 3u);
    EXPECT_TRUE(found.timings_ms.contains("second_stage"));
    ASSERT_EQ(found.rerank.attention.size(), 2u);
    EXPECT_NEAR(found.rerank.attention[0].share + found.rerank.attention[1].share, 1, 1e-6);
    EXPECT_GE(found.rerank.attention[0].share, found.rerank.attention[1].share);
    EXPECT_NE(found.spans[0].text.find("oil"), std::string::npos);
    for (size_t i = 1; i < found.spans.size(); ++i) {
        EXPECT_LE(found.spans[i].score, found.spans[i - 1].score);
    }
    // The others are those of a search without it, in the same order.
    RerankOptions off;
    off.mode = RerankOptions::Mode::kOff;
    with_stage(off);
    const SearchResult plain = search(kQuestion);
    EXPECT_FALSE(plain.rerank.done);
    ASSERT_EQ(plain.spans.size(), found.spans.size());
    for (size_t i = 2; i < plain.spans.size(); ++i) {
        EXPECT_EQ(plain.spans[i].text, found.spans[i].text);
    }
    // Which token looked where: equal words, as the fake has it.
    ASSERT_FALSE(found.rerank.links.empty());
    const RerankReport::Link& best = found.rerank.links[0];
    std::string asked = found.rerank.question_tokens[best.question_token];
    EXPECT_EQ(asked.substr(asked.find_first_not_of(' ')),
              best.text.substr(best.text.find_first_not_of(' ')));
}

TEST_F(RerankTest, AskedForWithoutHeadsIsAnErrorAndAutoSaysWhy) {
    EngineParts own = parts();
    own.open_stage = [] {
        return Result<std::unique_ptr<ContextStage>>(
            make_error(ErrorCode::kNotFound, "no context heads here"));
    };
    own.rerank = on(5);
    engine_ = make_engine(own);
    index({file("a.txt", kLighthouse)});
    const auto refused = engine().search(store(), kQuestion, {});
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::kNotFound);
    EXPECT_NE(refused.error().message.find("no context heads here"), std::string::npos);
    own.rerank.mode = RerankOptions::Mode::kAuto;
    engine_ = make_engine(own);
    const SearchResult found = search(kQuestion);
    EXPECT_FALSE(found.rerank.done);
    EXPECT_EQ(found.rerank.why, "no context heads here");
}

TEST_F(RerankTest, AutoRunsOnADeviceOrWithinTheTimeThatIsAllowed) {
    RerankOptions automatic;
    automatic.seconds = 1;
    with_stage(automatic, 100.0);
    index({file("a.txt", kLighthouse), file("b.txt", kMill)});
    const SearchResult slow = search(kQuestion);
    EXPECT_FALSE(slow.rerank.done);
    EXPECT_NE(slow.rerank.why.find("more than is allowed (1.0 s)"), std::string::npos);
    EXPECT_EQ(models_opened_, 0) << "a model that is not used is not loaded";
    with_stage(automatic, 100.0, true);
    EXPECT_TRUE(search(kQuestion).rerank.done);
    with_stage(automatic, 1e-6);
    EXPECT_TRUE(search(kQuestion).rerank.done);
    EXPECT_TRUE(search(kQuestion).rerank.done);
    EXPECT_EQ(stages_opened_, 3) << "once for each engine";
}

TEST_F(RerankTest, WhatTheWindowDoesNotHoldIsCounted) {
    with_stage(on(5), 0, false, 40);  // of either text, 30 words and more
    index({file("a.txt", kLighthouse), file("b.txt", kMill)});
    const SearchResult found = search(kQuestion);
    EXPECT_TRUE(found.rerank.done);
    EXPECT_EQ(found.rerank.units, 1u);
    EXPECT_EQ(found.rerank.left_out, 1u);
    EXPECT_EQ(found.spans.size(), 2u) << "it is found all the same";
}

TEST_F(RerankTest, IsCancelled) {
    with_stage(on(5));
    index({file("a.txt", kLighthouse)});
    CancelToken cancel;
    cancel.cancel();
    SearchOptions options;
    options.cancel = &cancel;
    const auto found = engine().search(store(), kQuestion, options);
    ASSERT_FALSE(found.ok());
    EXPECT_EQ(found.error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace s3attn
