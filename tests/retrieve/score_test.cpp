// The scorers against their twins and against numbers worked out by hand.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <random>

#include "memory_store.h"
#include "retrieve/feature_choice.h"
#include "retrieve/links.h"
#include "retrieve/rank.h"
#include "retrieve/scan_cache.h"
#include "retrieve/score_kernel.h"

namespace s3attn {
namespace {

struct Case {
    MemoryStore store;
    QueryCodes query;
};

struct CaseShape {
    uint32_t latents = 12, k = 3, n_slots = 2, n_heads = 3, question = 5;
    uint32_t segments = 2, max_segment_tokens = 40, max_unit_tokens = 9;
    double zero_weights = 0.2, gaps = 0.3;
    float temperature = 16.0f;
};

TokenCode random_code(std::mt19937& rng, const CaseShape& shape) {
    TokenCode code;
    for (uint32_t i = rng() % (shape.k + 1); i > 0; --i) {
        const uint32_t feature = rng() % shape.latents;
        const bool seen = std::any_of(code.begin(), code.end(),
                                      [&](const auto& p) { return p.first == feature; });
        if (!seen) code.emplace_back(feature, static_cast<uint8_t>(1 + rng() % 255));
    }
    return code;
}

// Segments back to back or with gaps; live units that cross block and segment borders and leave
// dead tokens between them.
Case random_case(uint32_t seed, const CaseShape& shape) {
    std::mt19937 rng(seed);
    const auto chance = [&](double p) { return rng() % 1000 < p * 1000; };
    Case c;
    c.store.shape_value = {shape.n_slots, shape.latents, shape.k};
    uint64_t end = 0;
    for (uint32_t s = 0; s < shape.segments; ++s) {
        if (chance(shape.gaps)) end += 1 + rng() % 5;
        const uint32_t n = rng() % (shape.max_segment_tokens + 1);
        std::vector<std::vector<TokenCode>> tokens(shape.n_slots);
        for (auto& slot : tokens) {
            for (uint32_t t = 0; t < n; ++t) slot.push_back(random_code(rng, shape));
        }
        c.store.segment_list.push_back(
            std::make_shared<MemorySegment>(end, shape.latents, shape.k, std::move(tokens)));
        end += n;
    }
    uint64_t position = 0;
    for (int64_t id = 1; position < end; ++id) {
        if (chance(shape.gaps)) position += rng() % 4;
        const uint32_t n = rng() % (shape.max_unit_tokens + 1);
        c.store.extents.push_back({id, position, n});
        position += n;
        if (n == 0) ++position;
    }
    std::uniform_real_distribution<float> weight(-0.002f, 0.002f);
    c.query.n_tokens = shape.question;
    c.query.latents = shape.latents;
    for (uint32_t j = 0; j < shape.n_heads; ++j) {
        QueryCodes::Head head;
        head.slot = rng() % shape.n_slots;
        head.temperature = shape.temperature;
        head.mixture = 1.0f / static_cast<float>(shape.n_heads);
        for (uint32_t i = 0; i < shape.latents * shape.question; ++i) {
            head.weight.push_back(chance(shape.zero_weights) ? 0.0f : weight(rng));
        }
        head.token_share.assign(shape.question, 1.0f / static_cast<float>(shape.question));
        c.query.heads.push_back(std::move(head));
    }
    return c;
}

CaseShape random_shape() {
    CaseShape shape;
    shape.latents = *rc::gen::inRange<uint32_t>(1, 40);
    shape.k = *rc::gen::inRange<uint32_t>(1, 9);
    shape.n_slots = *rc::gen::inRange<uint32_t>(1, 4);
    shape.n_heads = *rc::gen::inRange<uint32_t>(1, 7);
    shape.question = *rc::gen::inRange<uint32_t>(1, 41);
    shape.segments = *rc::gen::inRange<uint32_t>(0, 5);
    shape.max_segment_tokens = *rc::gen::element<uint32_t>(3, 40, 300, 20000);
    shape.max_unit_tokens = *rc::gen::element<uint32_t>(1, 9, 200, 6000);
    shape.zero_weights = *rc::gen::element(0.0, 0.3, 1.0);
    shape.gaps = *rc::gen::element(0.0, 0.3, 1.0);
    shape.temperature = *rc::gen::element(0.0f, 1.0f, 16.0f);
    return shape;
}

// Why a unit was found is the whole of why: what its links brought adds up to its score.
RC_GTEST_PROP(UnitLinks, AddUpToTheScore, ()) {
    CaseShape shape = random_shape();
    shape.max_segment_tokens = std::min(shape.max_segment_tokens, 300u);
    const Case c = random_case(*rc::gen::arbitrary<uint32_t>(), shape);
    const auto scores = score_attention_reference(c.store, c.query);
    RC_ASSERT(scores.ok());
    const auto& units = c.store.live_units();
    for (size_t u = 0; u < units.size(); ++u) {
        const auto links = unit_links(c.store, c.query, *scores, units[u]);
        RC_ASSERT(links.ok());
        RC_ASSERT(links->size() == c.query.heads.size() * c.query.n_tokens);
        double mass = 0;
        for (const UnitLink& link : *links) {
            mass += link.mass;
            RC_ASSERT(units[u].n_tokens == 0 || link.unit_token < units[u].n_tokens);
        }
        RC_ASSERT(std::abs(mass - scores->mass[u]) < 1e-9);
    }
}

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

// Reading chosen lists only gives what the weights without the others give: the same bits as the
// dense way, and the twin's scores within its tolerance.
RC_GTEST_PROP(ScoreAttention, ChosenFeaturesEqualTheirWeightsAlone, ()) {
    const CaseShape shape = random_shape();
    const Case c = random_case(*rc::gen::arbitrary<uint32_t>(), shape);
    const auto count = *rc::gen::inRange<uint32_t>(0, 12);
    ThreadPool pool(2);
    const auto means = feature_means(c.store);
    RC_ASSERT(means.ok());
    const FeatureChoice choice = choose_features(c.query, count, *means, pool);
    const QueryCodes kept = keep_chosen(c.query, choice);
    ScoreOptions options;
    options.threads = *rc::gen::inRange<uint32_t>(1, 4);
    options.choice = &choice;
    const auto sparse = score_attention(c.store, c.query, options);
    const auto dense = score_attention(c.store, kept, 1);
    const auto slow = score_attention_reference(c.store, kept);
    RC_ASSERT(sparse.ok());
    RC_ASSERT(dense.ok());
    RC_ASSERT(slow.ok());
    RC_ASSERT(sparse->mass == dense->mass);
    RC_ASSERT(sparse->best_cosine == dense->best_cosine);
    RC_ASSERT(sparse->postings == dense->postings);
    RC_ASSERT(dense->postings_read == dense->postings);
    RC_ASSERT(sparse->postings_read <= sparse->postings);
    const double worst = shape.k * 0.002 * 256 / (32767.0 / shape.k - 1);
    const double tolerance = std::exp(2 * shape.temperature * worst) - 1;
    for (size_t u = 0; u < slow->mass.size(); ++u) {
        RC_ASSERT(std::abs(sparse->mass[u] - slow->mass[u]) <= tolerance * slow->mass[u] + 1e-6);
    }
}

TEST(FeatureChoiceTest, TakesTheLargestProductsAndBreaksTiesByFeature) {
    QueryCodes query;
    query.n_tokens = 1;
    query.latents = 6;
    query.heads = {{0, 16.0f, 1.0f, {1.0f, 3.0f, 2.0f, -9.0f, 2.0f, 0.0f}, {1.0f}}};
    const FeatureMeans means{{4.0f, 1.0f, 1.0f, 5.0f, 1.0f, 9.0f}};
    ThreadPool pool(1);
    const auto chosen = [&](uint32_t n) {
        return choose_features(query, n, means, pool).features[0][0];
    };
    EXPECT_EQ(chosen(1), (std::vector<uint32_t>{0}));
    EXPECT_EQ(chosen(3), (std::vector<uint32_t>{0, 1, 2}));
    EXPECT_EQ(chosen(100), (std::vector<uint32_t>{0, 1, 2, 4}));
    EXPECT_EQ(keep_chosen(query, choose_features(query, 2, means, pool)).heads[0].weight,
              (std::vector<float>{1, 3, 0, 0, 0, 0}));
}

TEST(FeatureChoiceTest, CountsThePostingsThatAreRead) {
    Case c;
    c.store.shape_value = {1, 4, 2};
    std::vector<std::vector<TokenCode>> tokens(1, std::vector<TokenCode>(100, {{1, 9}, {2, 9}}));
    tokens[0][7] = {{0, 5}};
    c.store.segment_list = {std::make_shared<MemorySegment>(0, 4, 2, tokens)};
    c.store.extents = {{1, 0, 50}, {2, 50, 50}};
    c.query.n_tokens = 1;
    c.query.latents = 4;
    c.query.heads = {{0, 16.0f, 1.0f, {0.001f, 0.002f, 0.0005f, 0.001f}, {1.0f}}};
    ScoreOptions options;
    options.max_features = 1;
    const auto scores = score_attention(c.store, c.query, options);
    ASSERT_TRUE(scores.ok());
    EXPECT_EQ(scores->postings, 199u);
    EXPECT_EQ(scores->postings_read, 99u);
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
    const auto eq7_one = score_eq7(c.store, c.query, 1);
    const auto eq7_many = score_eq7(c.store, c.query, 3);
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
    c.store.extents = {{1, 0, 9000}, {2, 9000, 9000}};
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

Case plain_case() {
    CaseShape shape;
    shape.gaps = 0;
    shape.segments = 3;
    return random_case(7, shape);
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

// Two units, one question token, one head: unit 1 holds tokens {f0: 10}, {f1: 20}; unit 2 {f0: 5}.
Case hand_case() {
    Case c;
    c.store.shape_value = {1, 2, 2};
    c.store.segment_list.push_back(std::make_shared<MemorySegment>(
        0, 2, 2, std::vector<std::vector<TokenCode>>{{{{0, 10}}, {{1, 20}}, {{0, 5}}}}));
    c.store.extents = {{1, 0, 2}, {2, 2, 1}};
    QueryCodes::Head head;
    head.temperature = 2.0f;
    head.weight = {0.02f, 0.03f};
    head.token_share = {1.0f};
    c.query = {1, 2, {head}};
    c.query.n_tokens = 1;
    c.query.latents = 2;
    c.query.heads = {head};
    return c;
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

TEST(ScoreEq7, ByHand) {
    Case c = hand_case();
    c.store.extents.pop_back();  // its postings still count in freq
    const auto scores = score_eq7(c.store, c.query, 1);
    ASSERT_TRUE(scores.ok());
    // freq(f0) = 2, freq(f1) = 1; unit 1 scores the mean over its two tokens.
    const double s0 = 0.02 / (std::log(3.0) + 1), s1 = 0.03 / (std::log(2.0) + 1);
    EXPECT_NEAR(scores->mass[0], (s0 + s1) / 2, 1e-8);
    EXPECT_FALSE(scores->calibrated);
}

RC_GTEST_PROP(ScoreEq7, EqualsPlainLoops, ()) {
    const CaseShape shape = random_shape();
    const Case c = random_case(*rc::gen::arbitrary<uint32_t>(), shape);
    const auto fast = score_eq7(c.store, c.query, 2);
    RC_ASSERT(fast.ok());
    std::vector<double> slow(c.store.extents.size());
    for (const auto& head : c.query.heads) {
        std::vector<double> freq(shape.latents);
        std::vector<std::pair<uint64_t, uint32_t>> postings;  // global position, feature
        BlockScratch scratch;
        for (const auto& segment : c.store.segment_list) {
            for (uint32_t b = 0; b < segment->n_blocks(); ++b) {
                const auto view = segment->read_block(head.slot, b, scratch);
                for (uint32_t f = 0; f < shape.latents; ++f) {
                    for (uint32_t i = view->feature_begin[f]; i < view->feature_begin[f + 1]; ++i) {
                        freq[f] += 1;
                        postings.emplace_back(
                            segment->base() + b * kBlockTokens + view->position[i], f);
                    }
                }
            }
        }
        for (size_t u = 0; u < slow.size(); ++u) {
            const UnitExtent& unit = c.store.extents[u];
            for (const auto& [position, f] : postings) {
                if (position < unit.position_begin ||
                    position >= unit.position_begin + unit.n_tokens) {
                    continue;
                }
                for (uint32_t i = 0; i < shape.question; ++i) {
                    slow[u] += head.weight[f * shape.question + i] / (std::log(1 + freq[f]) + 1) /
                               unit.n_tokens;
                }
            }
        }
    }
    for (size_t u = 0; u < slow.size(); ++u) RC_ASSERT(std::abs(fast->mass[u] - slow[u]) < 1e-6);
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
    bad.store.extents = {{1, 0, 5}, {2, 3, 5}};
    EXPECT_EQ(code_of(bad), ErrorCode::kCorrupt);
    bad = c;
    std::vector<std::vector<TokenCode>> tokens(2, std::vector<TokenCode>(9));
    auto broken = std::make_shared<MemorySegment>(0, 12, 3, tokens);
    broken->fail_block = 0;
    bad.store.segment_list = {broken};
    EXPECT_EQ(code_of(bad), ErrorCode::kCorrupt);
    const auto eq7 = score_eq7(bad.store, bad.query, 2);
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
