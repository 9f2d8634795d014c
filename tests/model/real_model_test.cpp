// The default model: what the product relies on.
#include <gtest/gtest.h>

#include "capture_helpers.h"
#include "model/llama_model.h"
#include "model/scan_tuning.h"
#include "tiny_gguf.h"

namespace s3attn {
namespace {

constexpr char kText[] =
    "It was a bright cold day in April, and the clocks were striking thirteen. The hallway smelt "
    "of boiled cabbage and old rag mats. At one end of it a coloured poster, too large for indoor "
    "display, had been tacked to the wall.";

class RealModel : public testing::Test {
  protected:
    void SetUp() override {
        path_ = real_model_path();
        if (path_.empty()) GTEST_SKIP() << "set S3ATTN_TEST_MODEL to run on the real model";
    }
    std::unique_ptr<Scanner> open(uint32_t threads, const std::string& cache = "",
                                  bool stop_early = true) {
        ScanTuning tuning;
        tuning.stop_early = stop_early;
        auto scanner = open_tuned_scanner({.model_path = path_,
                                           .threads = threads,
                                           .chunk_tokens = 256,
                                           .deepest_layer = 9,
                                           .cache_dir = cache},
                                          tuning, nullptr);
        EXPECT_TRUE(scanner.ok()) << scanner.error().message;
        return scanner.ok() ? std::move(scanner).value() : nullptr;
    }
    std::string path_;
};

TEST_F(RealModel, InfoNamesTheOriginal) {
    const auto info = read_model_info(path_);
    ASSERT_TRUE(info.ok()) << info.error().message;
    const auto scanner = open(1);
    ASSERT_TRUE(scanner);
    EXPECT_EQ(scanner->info().file_hash, info->file_hash);
    EXPECT_EQ(scanner->info().tokenizer_hash, info->tokenizer_hash);
    EXPECT_EQ(scanner->info().d_head, info->d_head);
    EXPECT_EQ(scanner->chunk_tokens(), 256u);
}

TEST_F(RealModel, StopThreadsAndCopyKeepTheKeys) {
    const TempDir cache;
    auto stopping = open(1), whole = open(1, "", false), two = open(2),
         copy = open(1, cache.path().string());
    ASSERT_TRUE(stopping && whole && two && copy);
    const auto tokens = stopping->tokenizer().tokenize(kText);
    ASSERT_TRUE(tokens.ok());
    EXPECT_EQ(copy->tokenizer().tokenize(kText)->ids, tokens->ids);
    const std::vector<uint32_t> layers{3, 6, 9};
    for (const Projection projection : {Projection::kKey, Projection::kQuery}) {
        const Captured a = capture_all(*stopping, tokens->ids, layers, projection);
        const Captured b = capture_all(*whole, tokens->ids, layers, projection);
        const Captured c = capture_all(*two, tokens->ids, layers, projection);
        const Captured d = capture_all(*copy, tokens->ids, layers, projection);
        EXPECT_EQ(a.n_tokens, tokens->ids.size());
        for (const uint32_t layer : layers) {
            EXPECT_EQ(a.layers.at(layer), b.layers.at(layer)) << "early stop";
            EXPECT_LE(max_difference(a.layers.at(layer), c.layers.at(layer)), 1e-3) << "threads";
            EXPECT_GE(worst_cosine(a.layers.at(layer), d.layers.at(layer), a.d_head), 0.99)
                << "scan copy, layer " << layer;
        }
    }
}

// A later token must not change an earlier key, and an earlier one must.
TEST_F(RealModel, KeysSeeTheirPastOnly) {
    auto scanner = open(1);
    ASSERT_TRUE(scanner);
    auto tokens = scanner->tokenizer().tokenize(kText)->ids;
    const Captured a = capture_all(*scanner, tokens, {9});
    const size_t width = size_t{a.n_heads} * a.d_head;
    auto changed = tokens;
    changed.back() = changed.front();
    const Captured b = capture_all(*scanner, changed, {9});
    const auto& ka = a.layers.at(9);
    const auto& kb = b.layers.at(9);
    const size_t before = (tokens.size() - 1) * width;
    EXPECT_TRUE(std::equal(ka.begin(), ka.begin() + static_cast<long>(before), kb.begin()));
    EXPECT_FALSE(std::equal(ka.begin() + static_cast<long>(before), ka.end(),
                            kb.begin() + static_cast<long>(before)));
    changed = tokens;
    std::swap(changed[0], changed[1]);
    const Captured c = capture_all(*scanner, changed, {9});
    EXPECT_NE(ka.back(), c.layers.at(9).back());
}

}  // namespace
}  // namespace s3attn
