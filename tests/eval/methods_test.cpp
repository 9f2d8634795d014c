#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "eval/key_file.h"
#include "eval/method_parts.h"
#include "eval/metrics_retrieval.h"

namespace s3attn::eval {
namespace {

TEST(Methods, NamesAndWhatIsNotOne) {
    MethodContext context;
    for (const char* good :
         {"bm25", "dense", "s3", "hybrid", "int4", "random-codes", "layer0", "layer0:3", "lead",
          "tail", "random", "rrf(bm25,dense)", "sum(s3:4,bm25:1)", "sum(rrf(bm25,dense):2,s3)",
          "rrf(layer0:3,bm25)"}) {
        const auto method = make_method(good, context);
        ASSERT_TRUE(method.ok()) << method.error().message;
        EXPECT_EQ((*method)->name(), good);
    }
    for (const char* bad : {"", "bm26", "rrf", "rrf(bm25)", "rrf(bm25,dense", "bm25)", "layer0:x",
                            "sum(s3:0,bm25)", "sum(s3:-1,bm25)", "sum(s3:x,bm25)", "rrf(,bm25)"}) {
        EXPECT_FALSE(make_method(bad, context).ok()) << bad;
    }
    EXPECT_EQ(split_methods("bm25, rrf(bm25,dense),s3"),
              (std::vector<std::string>{"bm25", "rrf(bm25,dense)", "s3"}));
}

TEST(Metrics, CoverNeedsEveryByte) {
    const Gold gold{1, 10, 20};
    const std::string text(40, 'x');
    EXPECT_TRUE(covers(gold, {{1, 0, 30}}, text));
    EXPECT_TRUE(covers(gold, {{1, 15, 25}, {1, 5, 15}}, text));
    EXPECT_FALSE(covers(gold, {{1, 16, 25}, {1, 5, 15}}, text));
    EXPECT_FALSE(covers(gold, {{0, 0, 30}}, text));
    EXPECT_FALSE(covers(gold, {{1, 11, 30}}, text));
    EXPECT_FALSE(covers(gold, {{1, 0, 19}}, text));
    EXPECT_FALSE(covers(gold, {}, text));
}

TEST(Metrics, WhiteSpaceBetweenUnitsIsNobodys) {
    const std::string text = "One two.\n\n Three\xC2\xA0\n";
    const Gold gold{0, 0, text.size()};
    EXPECT_TRUE(covers(gold, {{0, 0, 8}, {0, 11, 16}}, text));
    EXPECT_FALSE(covers(gold, {{0, 0, 7}, {0, 11, 16}}, text));
    EXPECT_FALSE(covers(gold, {{0, 0, 8}, {0, 12, 16}}, text));
}

// What stands around the text of a unit belongs to no unit: no method could cover it.
TEST(Metrics, SpacesOfUnicodeAndAByteOrderMarkAreNobodys) {
    for (const std::string space : {"\u00A0", "\u1680", "\u2003", "\u2028", "\u202F", "\u205F",
                                    "\u3000", "\uFEFF", "\r\n\f"}) {
        const std::string text = space + "One.";
        EXPECT_TRUE(covers({0, 0, text.size()}, {{0, space.size(), text.size()}}, text)) << space;
    }
    EXPECT_FALSE(covers({0, 0, 8}, {{0, 0, 1}, {0, 4, 8}},
                        "a\uFEFF"
                        "One."));
}

TEST(Metrics, RecallAndReciprocalRank) {
    const Collection collection = make_collection({std::string(200, 'x')});
    const std::vector<Gold> gold{{0, 0, 10}, {0, 100, 110}};
    const std::vector<ByteRange> ranked{{0, 50, 60}, {0, 0, 5}, {0, 5, 12}, {0, 90, 120}};
    EXPECT_DOUBLE_EQ(recall(gold, {ranked.begin(), ranked.begin() + 2}, collection), 0.0);
    EXPECT_DOUBLE_EQ(recall(gold, {ranked.begin(), ranked.begin() + 3}, collection), 0.5);
    EXPECT_DOUBLE_EQ(recall(gold, ranked, collection), 1.0);
    EXPECT_DOUBLE_EQ(reciprocal_rank(gold, ranked, collection), 1.0 / 3);
    EXPECT_DOUBLE_EQ(reciprocal_rank(gold, {{0, 1, 120}}, collection), 1.0);
    EXPECT_DOUBLE_EQ(reciprocal_rank(gold, {{0, 0, 9}}, collection), 0.0);
}

TEST(KeyFile, FourBitsKeepTheDirection) {
    std::mt19937 engine(3);
    std::normal_distribution<float> normal;
    constexpr uint32_t kD = 64;
    std::vector<float> mean(kD), key(kD), out(kD);
    std::vector<std::byte> row(key_row_bytes(kD));
    for (int trial = 0; trial < 200; ++trial) {
        for (uint32_t i = 0; i < kD; ++i) {
            mean[i] = normal(engine);
            key[i] = mean[i] + 5 * normal(engine);
        }
        pack_key(key.data(), mean.data(), kD, row.data());
        unpack_key(row.data(), kD, out.data());
        double dot = 0, norm = 0, length = 0;
        for (uint32_t i = 0; i < kD; ++i) {
            const double x = key[i] - mean[i];
            dot += x * out[i];
            norm += x * x;
            length += double{out[i]} * out[i];
        }
        EXPECT_GT(dot / std::sqrt(norm * length), 0.985);
        EXPECT_NEAR(std::sqrt(length), 1.0, 0.05);
    }
    pack_key(mean.data(), mean.data(), kD, row.data());
    unpack_key(row.data(), kD, out.data());
    for (const float value : out) EXPECT_EQ(value, 0.0f);
}

}  // namespace
}  // namespace s3attn::eval
