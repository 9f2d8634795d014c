#include "adapter/keep_heads.h"

#include <gtest/gtest.h>

#include "adapter/encoder.h"
#include "random_adapter.h"
#include "temporary_directory.h"

namespace s3attn {
namespace {

using test::random_adapter;

// Heads (5,1), (2,3), (5,0) over slots (2,1) and (5,0).
TEST(KeepHeads, TheBestStayWithTheSlotsThatTheyRead) {
    const Adapter whole = random_adapter(1);
    const auto one = keep_heads(whole, 1);
    ASSERT_TRUE(one.ok()) << one.error().message;
    ASSERT_EQ(one->slots.size(), 1u);
    EXPECT_EQ(one->slots[0].layer, 5u);
    EXPECT_EQ(one->slots[0].mean_key, whole.slots[1].mean_key);
    EXPECT_EQ(one->heads[0].slot, 0u);
    EXPECT_FLOAT_EQ(one->heads[0].mixture, 1);
    EXPECT_NE(one->key_side_hash, whole.key_side_hash) << "an index of it holds other slots";
    const auto two = keep_heads(whole, 2);
    ASSERT_TRUE(two.ok()) << two.error().message;
    EXPECT_EQ(two->slots.size(), 2u);
    EXPECT_FLOAT_EQ(two->heads[0].mixture + two->heads[1].mixture, 1);
    EXPECT_FLOAT_EQ(two->heads[0].mixture / two->heads[1].mixture,
                    whole.heads[0].mixture / whole.heads[1].mixture);
}

// A head asks as it asked before, through its file too.
TEST(KeepHeads, WhatIsKeptIsUnchanged) {
    const Adapter whole = random_adapter(2);
    const test::TemporaryDirectory folder;
    ASSERT_TRUE(save_adapter(*keep_heads(whole, 2), folder / "small").ok());
    const auto small = load_adapter(folder / "small");
    ASSERT_TRUE(small.ok()) << small.error().message;
    std::mt19937 rng(3);
    const std::vector<float> rows = test::gaussian(rng, size_t{4} * whole.d_head);
    for (uint32_t head = 0; head < 2; ++head) {
        QueryCodes before, after;
        for (QueryCodes* codes : {&before, &after}) {
            codes->n_tokens = 4;
            codes->latents = whole.latents;
            codes->heads.resize(whole.heads.size());
        }
        const RowsView view{rows.data(), 4, whole.d_head, whole.d_head};
        encode_queries(whole, head, view, before);
        encode_queries(*small, head, view, after);
        EXPECT_EQ(before.heads[head].weight, after.heads[head].weight);
        EXPECT_EQ(before.heads[head].token_share, after.heads[head].token_share);
    }
}

TEST(KeepHeads, NoneAllOrMoreIsRefused) {
    const Adapter whole = random_adapter(1);
    for (const uint32_t n : {0u, 3u, 4u}) {
        const auto kept = keep_heads(whole, n);
        ASSERT_FALSE(kept.ok()) << n;
        EXPECT_EQ(kept.error().code, ErrorCode::kInvalidArgument);
        EXPECT_NE(kept.error().message.find("3 heads"), std::string::npos);
    }
}

}  // namespace
}  // namespace s3attn
