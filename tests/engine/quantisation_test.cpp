// The shipped adapter serves every quantisation of its model. The files are made once and kept in
// the cache: docs/retrieval.md measures with them.
#include <gtest/gtest.h>
#include <llama.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "s3attn/engine.h"

namespace s3attn {
namespace {

namespace fs = std::filesystem;

struct Quantisation {
    const char* name;
    llama_ftype type;
};
constexpr Quantisation kQuantisations[] = {{"F16", LLAMA_FTYPE_MOSTLY_F16},
                                           {"Q8_0", LLAMA_FTYPE_MOSTLY_Q8_0},
                                           {"Q4_K_M", LLAMA_FTYPE_MOSTLY_Q4_K_M}};

constexpr char kText[] =
    "The lighthouse on Varn was built by Ada Solberg in 1871. It is the oldest tower of the coast, "
    "and its lamp burned whale oil until the winter of 1903.\n\n"
    "The mill at Ost grinds rye and barley for three villages. A flood took its wheel in the "
    "spring of 1926, and for two years the farmers carted their grain across the pass.\n\n"
    "Wolves came down from the hills in the cold years. The shepherds of the valley kept fires "
    "along the wall, and lost only four lambs in the whole of that long winter.\n";

class Silent final : public ProgressSink {
  public:
    void update(const Progress&) override {}
    void note(const std::string&) override {}
};

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

// Beside the model, under a name that tells its own.
std::string ensure_quantised(const std::string& model, const Quantisation& wanted) {
    const fs::path folder = fs::path(model).parent_path() / "quantised";
    fs::create_directories(folder);
    const std::string path =
        (folder / (fs::path(model).stem().string() + "." + wanted.name + ".gguf")).string();
    if (fs::is_regular_file(path)) return path;
    const std::string unfinished = path + "." + std::to_string(::getpid());
    llama_model_quantize_params params = llama_model_quantize_default_params();
    params.ftype = wanted.type;
    params.allow_requantize = true;
    EXPECT_EQ(llama_model_quantize(model.c_str(), unfinished.c_str(), &params), 0u);
    fs::rename(unfinished, path);
    return path;
}

class QuantisationTest : public testing::Test {
  protected:
    void SetUp() override {
        model_ = environment("S3ATTN_TEST_MODEL");
        if (model_.empty()) model_ = S3ATTN_TEST_MODEL;
        if (model_.empty()) GTEST_SKIP() << "set S3ATTN_TEST_MODEL to run on the real model";
        directory_ = fs::temp_directory_path() / ("s3attn_quantised_" + std::to_string(::getpid()));
        fs::create_directories(directory_);
        std::ofstream(directory_ / "text.txt") << kText;
    }
    void TearDown() override {
        if (!directory_.empty()) fs::remove_all(directory_);
    }
    Result<std::unique_ptr<Engine>> open(const std::string& model) const {
        EngineOptions options;
        options.model = model;
        options.adapter_dirs = {S3ATTN_SHIPPED_ADAPTERS};
        options.device = Device::kCpu;
        options.rerank.mode = RerankOptions::Mode::kOff;
        return Engine::open(options);
    }
    Status index(Engine& engine, const std::string& store) {
        S3ATTN_TRY(Store written, Store::open(store, Store::Access::kCreate));
        const auto report =
            engine.index(written, {(directory_ / "text.txt").string()}, {}, sink_, cancel_);
        if (!report.ok()) return report.error();
        return {};
    }
    std::string model_;
    fs::path directory_;
    Silent sink_;
    CancelToken cancel_;
};

TEST_F(QuantisationTest, OneAdapterAndOneStoreServeThemAll) {
    const std::string store = directory_ / "store.s3", question = "Who built the lighthouse?";
    SearchOptions options;
    options.method = "s3";
    auto original = open(model_);
    ASSERT_TRUE(original.ok()) << original.error().message;
    ASSERT_TRUE(index(**original, store).ok());
    const auto expected = (*original)->search(*Store::open(store), question, options);
    ASSERT_TRUE(expected.ok()) << expected.error().message;
    EXPECT_TRUE(expected->notes.empty());
    for (const Quantisation& each : kQuantisations) {
        const std::string path = ensure_quantised(model_, each);
        auto engine = open(path);
        ASSERT_TRUE(engine.ok()) << each.name << ": " << engine.error().message;
        const auto found = (*engine)->search(*Store::open(store), question, options);
        ASSERT_TRUE(found.ok()) << each.name << ": " << found.error().message;
        ASSERT_EQ(found->spans.size(), expected->spans.size());
        EXPECT_EQ(found->spans[0].text, expected->spans[0].text) << each.name;
        EXPECT_NEAR(found->spans[0].score, expected->spans[0].score, 0.1) << each.name;
        ASSERT_EQ(found->notes.size(), 1u);
        EXPECT_NE(found->notes[0].find("another quantisation"), std::string::npos);
        // Adding would mix codes of both.
        const Status added = index(**engine, store);
        ASSERT_FALSE(added.ok());
        EXPECT_EQ(added.error().code, ErrorCode::kMismatch);
        EXPECT_TRUE(index(**engine, directory_ / each.name).ok());
    }
}

}  // namespace
}  // namespace s3attn
