// The fake keeps the seam's promises, and retrieval over it is lexical.
#include "model/fake_model.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>

#include "capture_helpers.h"
#include "model/finite_rows.h"

namespace s3attn {
namespace {

TEST(CheckFinite, NamesTheHeadWhoseRowsAreNot) {
    std::vector<float> rows(2 * 3 * 4, 1e30f);  // two tokens, three heads, four dimensions
    ProjectionView view;
    view.layer = 7;
    view.data = rows.data();
    view.n_tokens = 2;
    view.n_heads = 3;
    view.d_head = 4;
    view.token_stride = 12;
    view.head_stride = 4;
    for (uint32_t head = 0; head < 3; ++head) EXPECT_TRUE(check_finite(view, head).ok());
    for (const float bad : {std::nanf(""), HUGE_VALF, -HUGE_VALF}) {
        rows[12 + 4 + 3] = bad;
        EXPECT_TRUE(check_finite(view, 0).ok());
        const Status status = check_finite(view, 1);
        ASSERT_FALSE(status.ok());
        EXPECT_NE(status.error().message.find("layer 7, head 1"), std::string::npos);
    }
}

TEST(FakeTokenizer, EveryByteBelongsToOneToken) {
    for (const auto units : {FakeOptions::Units::kWords, FakeOptions::Units::kBytes}) {
        const auto tokenizer = make_fake_tokenizer({.units = units});
        EXPECT_TRUE(rc::check([&](const std::string& text) {
            const Tokens tokens = *tokenizer->tokenize(text);
            RC_ASSERT(tokens.begin.size() == tokens.ids.size() + 1);
            RC_ASSERT(tokens.begin.front() == 0u || text.empty());
            RC_ASSERT(tokens.begin.back() == text.size());
            for (size_t i = 0; i < tokens.ids.size(); ++i) {
                RC_ASSERT(tokens.begin[i] < tokens.begin[i + 1]);
            }
            RC_ASSERT(*tokenizer->count(text) == tokens.ids.size());
        }));
    }
}

TEST(FakeTokenizer, EqualWordsHaveEqualIds) {
    const auto tokenizer = make_fake_tokenizer();
    const Tokens tokens = *tokenizer->tokenize("Whale whale, WHALE");
    ASSERT_EQ(tokens.ids.size(), 4u);
    EXPECT_EQ(tokens.ids[0], tokens.ids[1]);
    EXPECT_EQ(tokens.ids[0], tokens.ids[3]);
    EXPECT_NE(tokens.ids[0], tokens.ids[2]);
    EXPECT_EQ(tokens.begin, (std::vector<uint64_t>{0, 5, 11, 12, 18}));
}

TEST(FakeScanner, EqualWordsAttractMost) {
    auto scanner = make_fake_scanner({.mean_weight = 0});
    const auto text = scanner->tokenizer().tokenize("the white whale sank the ship");
    const auto question = scanner->tokenizer().tokenize("whale");
    const Captured keys = capture_all(*scanner, text->ids, {0, 2});
    const Captured query = capture_all(*scanner, question->ids, {0, 2}, Projection::kQuery);
    for (const uint32_t layer : {0u, 2u}) {
        for (uint32_t head = 0; head < 4; ++head) {
            std::vector<double> scores;
            for (size_t t = 0; t < text->ids.size(); ++t) {
                double dot = 0;
                for (uint32_t d = 0; d < 32; ++d) {
                    dot += keys.layers.at(layer)[(t * 2 + head / 2) * 32 + d] *
                           query.layers.at(layer)[head * 32 + d];
                }
                scores.push_back(dot);
            }
            EXPECT_EQ(std::max_element(scores.begin(), scores.end()) - scores.begin(), 2);
        }
    }
}

TEST(FakeScanner, RefusesWhatTheRealOneRefuses) {
    auto scanner = make_fake_scanner({.chunk_tokens = 4});
    Captured out;
    const std::vector<int32_t> five(5, 1), one(1, 1);
    const std::vector<uint32_t> zero{0}, deep{4}, twice{1, 1};
    const auto capture = [&](const auto& tokens, const auto& layers) {
        return scanner->capture(tokens, layers, Projection::kKey, collect_into(out)).ok();
    };
    EXPECT_FALSE(capture(five, zero));
    EXPECT_FALSE(capture(std::vector<int32_t>{}, zero));
    EXPECT_FALSE(capture(one, deep));
    EXPECT_FALSE(capture(one, twice));
    EXPECT_TRUE(capture(one, zero));
}

TEST(FakeScanner, HookInjectsFailures) {
    int calls = 0;
    FakeOptions options;
    options.on_capture = [&]() -> Status {
        if (++calls == 2) return make_error(ErrorCode::kIo, "injected");
        return {};
    };
    auto scanner = make_fake_scanner(options);
    Captured out;
    const std::vector<int32_t> one(1, 1);
    const std::vector<uint32_t> zero{0};
    EXPECT_TRUE(scanner->capture(one, zero, Projection::kKey, collect_into(out)).ok());
    EXPECT_EQ(scanner->capture(one, zero, Projection::kKey, collect_into(out)).error().code,
              ErrorCode::kIo);
}

TEST(FakeReader, EchoesTheFirstEvidenceWithinItsLimits) {
    auto reader = make_fake_reader();
    const std::vector<ChatTurn> chat{
        {"system", "s"}, {"user", "Evidence:\n[1] The whale sank. It was white.\n[2] No.\nQ?"}};
    std::string answer;
    const auto append = [&](std::string_view piece) {
        answer += piece;
        return true;
    };
    const auto result = reader->chat(chat, {}, append);
    ASSERT_TRUE(result.ok());
    EXPECT_EQ(answer, "The whale sank.");
    EXPECT_EQ(result->prompt_tokens, *reader->count_chat(chat));
    EXPECT_FALSE(result->stopped_at_limit());
    answer.clear();
    EXPECT_TRUE(reader->chat(chat, {.max_tokens = 1}, append)->stopped_at_limit());
    EXPECT_EQ(answer, "The");
    auto narrow = make_fake_reader({.context_tokens = 10});
    EXPECT_EQ(narrow->chat(chat, {}, append).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace s3attn
