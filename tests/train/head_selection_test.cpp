#include "train/head_selection.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "broken_scanner.h"
#include "fake_text.h"

namespace s3attn {
namespace {

// Rows without any relation to the token.
void noise(std::span<float> row, Rng& rng) {
    for (float& v : row) v = static_cast<float>(rng.normal());
}

struct Captured {
    TokenText paragraphs, questions;
    RowStore keys, queries;
};

Captured capture_all(Scanner& scanner, uint32_t n) {
    std::vector<std::string> paragraphs, questions;
    for (const ClozePair& pair : make_cloze_pairs(fake_corpus(n, 1).paragraphs, n, 1)) {
        paragraphs.push_back(pair.paragraph);
        questions.push_back(pair.question);
    }
    Captured c;
    c.paragraphs = *tokenize_texts(scanner.tokenizer(), paragraphs);
    c.questions = *tokenize_texts(scanner.tokenizer(), questions);
    std::vector<HeadKey> keys, queries;
    for (uint32_t layer = 0; layer < scanner.info().n_layer; ++layer) {
        for (uint32_t h = 0; h < scanner.info().n_head_kv; ++h) keys.push_back({layer, h});
        for (uint32_t h = 0; h < scanner.info().n_head; ++h) queries.push_back({layer, h});
    }
    const CancelToken never;
    EXPECT_TRUE(
        capture_rows(scanner, c.paragraphs, keys, Projection::kKey, c.keys, {}, never).ok());
    EXPECT_TRUE(
        capture_rows(scanner, c.questions, queries, Projection::kQuery, c.queries, {}, never).ok());
    return c;
}

Result<Selection> rank(Scanner& scanner, const Captured& c) {
    ThreadPool pool(2);
    const CancelToken never;
    const SelectionInput input{&c.paragraphs, &c.questions,          &c.keys,
                               &c.queries,    scanner.info().n_head, scanner.info().n_head_kv};
    return rank_heads(input, 40, 8, pool, {}, never);
}

TEST(HeadSelection, FindsTheHeadsThatRetrieve) {
    Rng rng(5);
    const auto good = [](uint32_t layer, uint32_t head) {
        return (layer == 1 && head == 2) || (layer == 3 && head == 0);
    };
    ChangedScanner scanner({},
                           [&](uint32_t layer, Projection p, uint32_t head, std::span<float> row) {
                               if (p == Projection::kQuery && !good(layer, head)) noise(row, rng);
                           });
    const Captured c = capture_all(scanner, 120);
    const auto selection = rank(scanner, c);
    ASSERT_TRUE(selection.ok());
    ASSERT_EQ(selection->ranking.size(), 16u);
    for (size_t i = 0; i < 2; ++i) {
        const HeadReport& r = selection->ranking[i];
        EXPECT_TRUE(good(r.head.layer, r.head.query_head));
        EXPECT_GT(r.recall_at_10, 0.8);
    }
    EXPECT_LT(selection->ranking[2].recall_at_10, 0.4);
    EXPECT_TRUE(check_better_than_chance(*selection).ok());
    EXPECT_TRUE(selection->dead.empty());
}

TEST(HeadSelection, ModelThatDoesNotRetrieveIsRefusedWithTheTable) {
    Rng rng(6);
    ChangedScanner scanner({}, [&](uint32_t, Projection p, uint32_t, std::span<float> row) {
        if (p == Projection::kQuery) noise(row, rng);
    });
    const auto selection = rank(scanner, capture_all(scanner, 120));
    ASSERT_TRUE(selection.ok());
    const Status status = check_better_than_chance(*selection);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(status.error().message.find("chance is 0.083"), std::string::npos)
        << status.error().message;
    EXPECT_NE(status.error().message.find("layer  head"), std::string::npos);
}

TEST(HeadSelection, ConstantAndBrokenHeadsAreNamed) {
    ChangedScanner scanner({},
                           [](uint32_t layer, Projection p, uint32_t head, std::span<float> row) {
                               if (p == Projection::kKey && layer == 0 && head == 1) {
                                   std::fill(row.begin(), row.end(), 4.0f);
                               }
                               if (p == Projection::kQuery && layer == 2 && head == 3)
                                   row[0] = std::nanf("");
                           });
    const auto selection = rank(scanner, capture_all(scanner, 100));
    ASSERT_TRUE(selection.ok());
    // KV head 1 of layer 0 serves the query heads 2 and 3.
    std::vector<std::pair<uint32_t, uint32_t>> dead;
    for (const DeadHead& one : selection->dead) {
        dead.emplace_back(one.head.layer, one.head.query_head);
    }
    EXPECT_EQ(selection->dead[0].why,
              "keys do not vary from token to token (RMS 0 about a mean of RMS 4)");
    EXPECT_EQ(selection->dead[2].why, "queries are not finite");
    EXPECT_EQ(dead, (std::vector<std::pair<uint32_t, uint32_t>>{{0, 2}, {0, 3}, {2, 3}}));
    EXPECT_EQ(selection->ranking.size(), 13u);
}

TEST(Capture, KeysRunOnAcrossChunksAndQueriesStandAlone) {
    FakeOptions options;
    options.chunk_tokens = 16;
    const auto scanner = make_fake_scanner(options);
    const Captured c = capture_all(*scanner, 100);
    EXPECT_EQ(c.keys.at({2, 1}).size(), c.paragraphs.ids.size());
    EXPECT_EQ(c.queries.at({2, 1}).size(), c.questions.ids.size());
    // A question's rows do not depend on the question before it.
    const TokenSpan second = c.questions.spans[1];
    TokenText alone;
    alone.ids.assign(c.questions.ids.begin() + second.begin, c.questions.ids.begin() + second.end);
    alone.spans = {{0, second.size()}};
    RowStore rows;
    const CancelToken never;
    const std::vector<HeadKey> heads{{2, 1}};
    ASSERT_TRUE(capture_rows(*scanner, alone, heads, Projection::kQuery, rows, {}, never).ok());
    const uint32_t d = options.d_head;
    std::vector<float> a(second.size() * d), b(a.size());
    rows.at({2, 1}).read(0, second.size(), a.data());
    c.queries.at({2, 1}).read(second.begin, second.size(), b.data());
    for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 3e-3);
}

}  // namespace
}  // namespace s3attn
