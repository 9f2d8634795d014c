// The voice "dense" over a fake embedder: made on request, kept up, of one model.
#include "engine_fixture.h"
#include "s3attn/reason.h"

namespace s3attn {
namespace {

// One dimension a word; words it does not know are the last one.
class WordEmbedder final : public Embedder {
  public:
    uint32_t dimension() const override { return 4; }
    Result<std::vector<std::vector<float>>> embed(std::span<const std::string> texts) override {
        std::vector<std::vector<float>> vectors;
        for (const std::string& text : texts) {
            std::vector<float> vector(4, 0.0f);
            vector[text.find("lighthouse") != std::string::npos ? 0
                   : text.find("mill") != std::string::npos     ? 1
                                                                : 3] = 1;
            vectors.push_back(vector);
        }
        return vectors;
    }
};

class DenseTest : public EngineTest {
  protected:
    void open(const std::string& hash) {
        EngineParts own = parts();
        if (!hash.empty()) {
            own.open_embedder = [hash]() -> Result<OpenedEmbedder> {
                return OpenedEmbedder{std::make_unique<WordEmbedder>(),
                                      {"words-" + hash + ".gguf", hash, 4}};
            };
        }
        engine_ = make_engine(std::move(own));
    }
    Result<IndexReport> index_with(const std::string& path, bool embed) {
        IndexOptions options;
        options.embed = embed;
        Store written = writing();
        return engine().index(written, {path}, options, sink_, cancel_);
    }
    Result<SearchResult> dense(const std::string& question) {
        SearchOptions options;
        options.method = "dense";
        return engine().search(store(), question, options);
    }
};

TEST_F(DenseTest, IsAskedLikeAnyVoice) {
    open("h1");
    ASSERT_TRUE(index_with(file("a.txt", kLighthouse), true).ok());
    const auto report = index_with(file("b.txt", kMill), true);
    ASSERT_TRUE(report.ok()) << report.error().message;
    EXPECT_EQ(report->vectors, 1u);
    const auto found = dense("Which mill?");
    ASSERT_TRUE(found.ok()) << found.error().message;
    EXPECT_NE(found->spans[0].text.find("mill"), std::string::npos);
    EXPECT_NEAR(found->spans[0].score, 1, 0.01);
    SearchOptions options;
    options.method = "sum(s3:4,bm25:1,dense:4)";
    const auto mixed = engine().search(store(), "Which mill?", options);
    ASSERT_TRUE(mixed.ok()) << mixed.error().message;
    EXPECT_NEAR(mixed->spans[0].score_of("dense"), 1, 0.01);
}

TEST_F(DenseTest, AStoreThatHasVectorsGetsThoseOfNewDocuments) {
    open("h1");
    ASSERT_TRUE(index_with(file("a.txt", kLighthouse), true).ok());
    const auto more = index_with(file("b.txt", kMill), false);
    ASSERT_TRUE(more.ok());
    EXPECT_EQ(more->vectors, 1u);
    EXPECT_NE(dense("Which mill?")->spans[0].text.find("mill"), std::string::npos);
}

TEST_F(DenseTest, AnOlderStoreGetsAllOfThemOnRequest) {
    open("h1");
    const std::string path = file("a.txt", kLighthouse);
    ASSERT_TRUE(index_with(path, false).ok());
    const auto none = dense("Which lamp?");
    ASSERT_FALSE(none.ok());
    EXPECT_EQ(none.error().reason, reason::kNoVectors);
    EXPECT_EQ(index_with(path, true)->vectors, 1u);
    EXPECT_TRUE(dense("Which lamp?").ok());
}

TEST_F(DenseTest, AnotherModelOrNoneIsNamedBeforeAnythingIsScanned) {
    open("h1");
    ASSERT_TRUE(index_with(file("a.txt", kLighthouse), true).ok());
    for (const char* hash : {"h2", ""}) {
        open(hash);
        for (const Error& error :
             {index_with(file("b.txt", kMill), false).error(), dense("Which lamp?").error()}) {
            EXPECT_NE(error.message.find("words-h1.gguf"), std::string::npos) << error.message;
        }
        EXPECT_TRUE(engine().search(store(), "Which lamp?", {}).ok()) << "other voices go on";
    }
    EXPECT_EQ(store().list()->size(), 1u);
}

// The fused score follows the adapter's model where it has one, and says so.
TEST_F(DenseTest, TheHybridsWeightsComeFromTheAdaptersFusion) {
    index({file("a.txt", kLighthouse), file("b.txt", kMill)});
    const auto fixed = engine().search(store(), "Who built the lighthouse?", {});
    ASSERT_TRUE(fixed.ok());
    ASSERT_EQ(fixed->weights.size(), 2u);
    EXPECT_EQ(fixed->weights[0].voice, "s3");
    EXPECT_EQ(fixed->weights[0].score, 4);
    engine_.reset();
    Adapter adapter = *adapter_;
    adapter.fusion.bias = 30;  // attention alone
    adapter.fusion.features = {{"agreement", 0, 1, 0}};
    adapter_ = std::make_shared<const Adapter>(adapter);
    const auto alone = engine().search(store(), "Who built the lighthouse?", {});
    ASSERT_TRUE(alone.ok());
    EXPECT_NEAR(alone->weights[0].score, 1, 1e-9);
    SearchOptions s3;
    s3.method = "s3";
    const auto pure = engine().search(store(), "Who built the lighthouse?", s3);
    for (size_t i = 0; i < pure->spans.size(); ++i) {
        EXPECT_EQ(alone->spans[i].text, pure->spans[i].text);
    }
}

}  // namespace
}  // namespace s3attn
