// The scorers against their twins and against numbers worked out by hand.
#include "retrieve/score.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <random>

#include "retrieve/scan_cache.h"
#include "retrieve/score_kernel.h"
#include "score_cases.h"

namespace s3attn {
namespace {

RC_GTEST_PROP(ScoreAttention, EqualsReference, ()) {
    const CaseShape shape = random_shape();
    const Case c = random_case(*rc::gen::arbitrary<uint32_t>(), shape);
    const auto fast = score_attention(c.store, c.query, *rc::gen::inRange<uint32_t>(1, 4));
    const auto slow = score_attention_reference(c.store, c.query);
    RC_ASSERT(fast.ok());
    RC_ASSERT(slow.ok());
    RC_ASSERT(fast->mass.size() == slow->mass.size());
    // Fixed point: a token's score is off by at most one step per posting, a step being
    // 1 / (32767 / k - 1) of the largest product of weight and activation.
    const double step = 0.002 * 256 / (32767.0 / shape.k - 1);
    const double worst = shape.k * step;
    double sum = 0;
    for (size_t u = 0; u < slow->mass.size(); ++u) {
        const double tolerance = std::exp(2 * shape.temperature * worst) - 1;
        RC_ASSERT(std::abs(fast->mass[u] - slow->mass[u]) <= tolerance * slow->mass[u] + 1e-6);
        sum += fast->mass[u];
    }
    RC_ASSERT(std::abs(fast->best_cosine - slow->best_cosine) <= worst + 1e-6);
    if (!fast->mass.empty()) RC_ASSERT(std::abs(sum - 1.0) < 1e-4);
}

RC_GTEST_PROP(ScoreAttention, SameBitsForAnyThreadCount, ()) {
    const Case c = random_case(*rc::gen::arbitrary<uint32_t>(), random_shape());
    const auto one = score_attention(c.store, c.query, 1);
    RC_ASSERT(one.ok());
    for (const uint32_t threads : {2u, 3u, 8u}) {
        const auto many = score_attention(c.store, c.query, threads);
        RC_ASSERT(many.ok());
        RC_ASSERT(many->mass == one->mass);
        RC_ASSERT(many->best_cosine == one->best_cosine);
    }
    const auto eq7_one = score_eq7(c.store, c.query, {.threads = 1});
    const auto eq7_many = score_eq7(c.store, c.query, {.threads = 3});
    RC_ASSERT(eq7_one.ok());
    RC_ASSERT(eq7_many.ok());
    RC_ASSERT(eq7_one->mass == eq7_many->mass);
}

RC_GTEST_PROP(ScanCacheTest, ChangesNothing, ()) {
    const Case a = random_case(*rc::gen::arbitrary<uint32_t>(), random_shape());
    const Case b = random_case(*rc::gen::arbitrary<uint32_t>(), random_shape());
    ScanCache cache(*rc::gen::element<size_t>(0, 20000, size_t{1} << 30));
    for (const Case* c : {&a, &a, &b, &a}) {  // cold, warm, another store, back again
        const auto plain = score_attention(c->store, c->query, 2);
        const auto cached = score_attention(c->store, c->query, 2, &cache);
        RC_ASSERT(cached.ok());
        RC_ASSERT(cached->mass == plain->mass);
        RC_ASSERT(cached->best_cosine == plain->best_cosine);
    }
}

TEST(ScanCacheTest, WarmStoresAreNotReadAgainAndMemoryIsBounded) {
    Case c;
    c.store.shape_value = {1, 4, 2};
    std::vector<std::vector<TokenCode>> tokens(1, std::vector<TokenCode>(18000, {{1, 9}}));
    auto segment = std::make_shared<MemorySegment>(0, 4, 2, tokens);
    c.store.segment_list = {segment};
    c.store.extents = {extent(1, 0, 9000), extent(2, 9000, 9000)};
    c.query.n_tokens = 1;
    c.query.latents = 4;
    c.query.heads = {{0, 16.0f, 1.0f, {0.001f, 0.002f, 0, 0}, {1.0f}}};
    ScanCache cache, tiny(100);
    ASSERT_TRUE(score_attention(c.store, c.query, 1, &cache).ok());
    ASSERT_TRUE(score_attention(c.store, c.query, 1, &tiny).ok());
    EXPECT_GE(cache.bytes(), 18000u * (2 * 4 + 2));
    EXPECT_EQ(tiny.bytes(), 0u);
    segment->fail_block = 1;
    EXPECT_TRUE(score_attention(c.store, c.query, 1, &cache).ok());
    EXPECT_FALSE(score_attention(c.store, c.query, 1, &tiny).ok());
    c.store.segment_list = {std::make_shared<MemorySegment>(*segment)};  // another segment
    EXPECT_FALSE(score_attention(c.store, c.query, 1, &cache).ok());
}

RC_GTEST_PROP(MaxKernel, DispatchedEqualsScalar, ()) {
    const uint32_t k = *rc::gen::inRange<uint32_t>(1, 17);
    const uint32_t lanes = kLaneWidth * *rc::gen::inRange<uint32_t>(1, 9);
    const uint32_t latents = 50, tokens = 20;
    std::mt19937 rng(*rc::gen::arbitrary<uint32_t>());
    TokenForm form;
    form.k = k;
    form.entry.resize(tokens * k);
    for (uint32_t& entry : form.entry) entry = (rng() % latents) << 8 | (1 + rng() % 255);
    for (uint32_t t = 0; t < tokens; ++t) form.count.push_back(rng() % (k + 1));
    std::vector<int16_t> table(latents * lanes);  // large enough to saturate now and then
    for (int16_t& value : table) value = static_cast<int16_t>(rng());
    std::vector<int16_t> fast(lanes, INT16_MIN), slow = fast;
    best_max_kernel()(form, 3, 17, table.data(), lanes, fast.data());
    max_kernel_scalar(form, 3, 17, table.data(), lanes, slow.data());
    RC_ASSERT(fast == slow);
}

TEST(ScoreAttention, HugeTemperaturesStayFinite) {
    Case c = plain_case();
    for (auto& head : c.query.heads) head.temperature = 1e20f;
    const auto scores = score_attention(c.store, c.query, 2);
    ASSERT_TRUE(scores.ok()) << scores.error().message;
    double sum = 0;
    for (const double mass : scores->mass) {
        ASSERT_TRUE(std::isfinite(mass));
        sum += mass;
    }
    EXPECT_NEAR(sum, 1.0, 1e-6);
}

TEST(ScoreAttention, OneUnitGetsEverythingAndNoUnitNothing) {
    Case c = plain_case();
    c.store.extents.resize(1);
    auto scores = score_attention(c.store, c.query, 2);
    ASSERT_TRUE(scores.ok());
    ASSERT_EQ(scores->mass.size(), 1u);
    EXPECT_NEAR(scores->mass[0], 1.0, 1e-6);
    c.store.extents.clear();
    scores = score_attention(c.store, c.query, 2);
    ASSERT_TRUE(scores.ok());
    EXPECT_TRUE(scores->mass.empty());
    EXPECT_EQ(scores->best_cosine, 0.0);
    c.store.segment_list.clear();
    EXPECT_TRUE(score_attention(c.store, c.query, 2).ok());
}

TEST(ScoreAttention, ByHand) {
    const Case c = hand_case();  // unit maxima: max(.2, .6) = .6 and .1
    const auto scores = score_attention(c.store, c.query, 1);
    ASSERT_TRUE(scores.ok());
    const double a = std::exp(2 * 0.6), b = std::exp(2 * 0.1);
    EXPECT_NEAR(scores->mass[0], a / (a + b), 1e-3);
    EXPECT_NEAR(scores->mass[1], b / (a + b), 1e-3);
    EXPECT_NEAR(scores->best_cosine, 0.6, 1e-3);
    EXPECT_TRUE(scores->calibrated);
}

TEST(Scorers, BadCodesAndDamagedBlocksAreErrors) {
    Case c = plain_case();
    const auto code_of = [](const Case& bad) {
        const auto scores = score_attention(bad.store, bad.query, 2);
        return scores.ok() ? ErrorCode::kInternal : scores.error().code;
    };
    Case bad = c;
    bad.query.n_tokens = 0;
    EXPECT_EQ(code_of(bad), ErrorCode::kInvalidArgument);
    bad = c;
    bad.query.heads[0].weight.pop_back();
    EXPECT_EQ(code_of(bad), ErrorCode::kInvalidArgument);
    bad = c;
    bad.query.heads[0].weight[0] = std::nanf("");
    EXPECT_EQ(code_of(bad), ErrorCode::kInvalidArgument);
    bad = c;
    bad.query.heads[0].temperature = -1;
    EXPECT_EQ(code_of(bad), ErrorCode::kInvalidArgument);
    bad = c;
    bad.query.heads[0].slot = 99;
    EXPECT_EQ(code_of(bad), ErrorCode::kMismatch);
    bad = c;
    bad.query.latents = 13;
    EXPECT_EQ(code_of(bad), ErrorCode::kMismatch);
    bad = c;
    bad.store.extents = {extent(1, 0, 5), extent(2, 3, 5)};
    EXPECT_EQ(code_of(bad), ErrorCode::kCorrupt);
    bad = c;
    std::vector<std::vector<TokenCode>> tokens(2, std::vector<TokenCode>(9));
    auto broken = std::make_shared<MemorySegment>(0, 12, 3, tokens);
    broken->fail_block = 0;
    bad.store.segment_list = {broken};
    EXPECT_EQ(code_of(bad), ErrorCode::kCorrupt);
    const auto eq7 = score_eq7(bad.store, bad.query, {.threads = 2});
    ASSERT_FALSE(eq7.ok());
    EXPECT_EQ(eq7.error().code, ErrorCode::kCorrupt);
    bad.store.segment_list = {std::make_shared<MemorySegment>(0, 12, 2, tokens)};
    EXPECT_EQ(code_of(bad), ErrorCode::kMismatch);  // another k
}

TEST(TokenFormTest, TooManyPostingsOfATokenAreCorrupt) {
    const std::vector<uint32_t> begin = {0, 1, 2};
    const std::vector<uint16_t> position = {0, 0};
    const std::vector<uint8_t> activation = {1, 2};
    TokenForm form;
    EXPECT_TRUE(to_token_form({1, begin, position, activation}, 2, form).ok());
    EXPECT_EQ(form.entry[1], 1u << 8 | 2u);
    EXPECT_FALSE(to_token_form({1, begin, position, activation}, 1, form).ok());
    const std::vector<uint16_t> outside = {0, 7};
    EXPECT_FALSE(to_token_form({1, begin, outside, activation}, 2, form).ok());
    const std::vector<uint32_t> wild = {0, 9, 2};
    EXPECT_FALSE(to_token_form({1, wild, position, activation}, 2, form).ok());
}

}  // namespace
}  // namespace s3attn
