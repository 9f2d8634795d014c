// Rounds that read the question in context: what is captured, and what a search does with it.
#include "engine/question_codes.h"
#include "engine/searcher.h"
#include "engine_fixture.h"

namespace s3attn {
namespace {

class RoundsTest : public EngineTest {
  protected:
    // The fake's queries know the word before: enough to tell that something stood there.
    void SetUp() override {
        model_.context_weight = 0.8f;
        scanned_by_.context_weight = 0.8f;
        EngineTest::SetUp();
    }
    // An engine that writes down how large its scanners' windows are.
    void with_recorded_windows() {
        EngineParts own = parts();
        const auto open = own.open_scanner;
        own.open_scanner = [this, open](uint32_t chunk, ProgressSink* sink,
                                        const CancelToken* cancel) {
            windows_.push_back(chunk);
            return open(chunk, sink, cancel);
        };
        engine_ = make_engine(std::move(own));
    }
    SearchResult search(const std::string& question, uint32_t rounds, RoundQuery query) {
        SearchOptions options;
        options.method = "s3";
        options.rounds = rounds;
        options.round_query = query;
        auto found = engine().search(store(), question, options);
        EXPECT_TRUE(found.ok()) << found.error().message;
        return found.ok() ? *found : SearchResult{};
    }
    static std::vector<double> scores(const SearchResult& found) {
        std::vector<double> all;
        for (const Span& span : found.spans) all.push_back(span.score);
        return all;
    }
    std::vector<uint32_t> windows_;
};

const char* kQuestion = "lamp oil winter";

// The obvious twin: all is read as one text, and the question's columns are taken out of it.
TEST_F(RoundsTest, TheQuestionsQueriesAreThoseOfOnePassOverPassageAndQuestion) {
    const auto scanner = make_fake_scanner(model_);
    const Tokens question = *scanner->tokenizer().tokenize(kQuestion);
    const Tokens before = *scanner->tokenizer().tokenize(std::string(kLighthouse) + " whale");
    Tokens all = before;
    all.ids.insert(all.ids.end(), question.ids.begin(), question.ids.end());
    const auto whole = QuestionCodes::make(*scanner, *adapter_, all, Scoring::kAttention);
    const auto bare = QuestionCodes::make(*scanner, *adapter_, question, Scoring::kAttention);
    const auto behind = QuestionCodes::make(*scanner, *adapter_, question, Scoring::kAttention,
                                            nullptr, before.ids);
    ASSERT_TRUE(whole.ok() && bare.ok() && behind.ok());
    const QueryCodes twin = whole->block(0), codes = behind->block(0), alone = bare->block(0);
    ASSERT_EQ(codes.n_tokens, question.ids.size());
    bool differs = false;
    for (uint32_t f = 0; f < codes.latents; ++f) {
        for (size_t t = 0; t < codes.n_tokens; ++t) {
            const float weight = codes.heads[0].weight[f * codes.n_tokens + t];
            // Equal but for the order of sums in a product of matrices of other sizes.
            EXPECT_NEAR(weight, twin.heads[0].weight[f * twin.n_tokens + before.ids.size() + t],
                        1e-6);
            const float apart = weight - alone.heads[0].weight[f * codes.n_tokens + t];
            differs = differs || std::abs(apart) > 1e-3;
        }
    }
    EXPECT_TRUE(differs) << "the passage left no trace in the question's queries";
    EXPECT_EQ(codes.heads[0].token_share.size(), alone.heads[0].token_share.size());
}

TEST_F(RoundsTest, AWideWindowIsOpenedForContextAloneAndOnce) {
    with_recorded_windows();
    index({file("a.txt", kLighthouse), file("b.txt", kMill)});
    windows_.clear();
    search(kQuestion, 2, RoundQuery::kAppend);
    const size_t before = windows_.size();
    const SearchResult once = search(kQuestion, 1, RoundQuery::kContext);
    EXPECT_EQ(windows_.size(), before) << "one round reads nothing in context";
    const SearchResult twice = search(kQuestion, 2, RoundQuery::kContext);
    search(kQuestion, 3, RoundQuery::kContext);
    ASSERT_EQ(windows_.size(), before + 1);
    EXPECT_EQ(windows_.back(), 2048u);
    EXPECT_TRUE(twice.timings_ms.contains("rounds"));
    EXPECT_FALSE(once.timings_ms.contains("rounds"));
    EXPECT_NE(scores(once), scores(twice));
    EXPECT_EQ(once.spans.size(), twice.spans.size());
}

TEST_F(RoundsTest, TheWindowIsWhatTheModelWasTrainedForAtMost) {
    ModelInfo model;
    model.n_ctx_train = 1024;
    EXPECT_EQ(round_window(model, 256), 1024u);
    EXPECT_EQ(round_window(model, 4096), 4096u);
    model.n_ctx_train = 0;
    EXPECT_EQ(round_window(model, 256), 2048u);
}

// A question that fills the window leaves no room: it is then read alone, as in the first round.
TEST_F(RoundsTest, WithoutRoomTheQuestionIsReadAlone) {
    with_recorded_windows();
    index({file("a.txt", kLighthouse), file("b.txt", kMill)});
    std::string longest;
    for (int i = 0; i < 2048; ++i) longest += i == 0 ? "lamp" : " oil";
    EXPECT_FALSE(search(longest, 2, RoundQuery::kContext).spans.empty());
}

}  // namespace
}  // namespace s3attn
