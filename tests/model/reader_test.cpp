// The reader of the evaluation: greedy answers equal chat()'s, likelihoods equal what a
// step-by-step twin adds up, and nothing depends on what was cached before.
#include "model/reader.h"

#include <gtest/gtest.h>

#include <cmath>

#include "capture_helpers.h"
#include "tiny_gguf.h"

namespace s3attn {
namespace {

constexpr char kChatMl[] =
    "{% for m in messages %}{{'<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + "
    "'\\n'}}{% endfor %}";

class TinyReader : public testing::Test {
  protected:
    void SetUp() override {
        write_tiny_gguf({.chat_template = kChatMl}, dir_ / "m.gguf");
        reader_ = open();
    }
    std::unique_ptr<LocalReader> open() {
        auto opened =
            open_llama_reader({.model_path = dir_ / "m.gguf", .threads = 1, .context_tokens = 128});
        EXPECT_TRUE(opened.ok()) << opened.error().message;
        return std::move(opened).value();
    }
    TempDir dir_;
    std::unique_ptr<LocalReader> reader_;
};

TEST_F(TinyReader, GreedyAnswersAreChats) {
    auto chat =
        open_llama_reader({.model_path = dir_ / "m.gguf", .threads = 1, .context_tokens = 128});
    ASSERT_TRUE(chat.ok());
    std::string expected;
    const ChatTurn message{"user", "the thing"};
    ASSERT_TRUE((*chat)
                    ->chat({&message, 1}, {.max_tokens = 20},
                           [&](std::string_view piece) {
                               expected += piece;
                               return true;
                           })
                    .ok());
    const auto answer = reader_->answer({"the thing"}, {.max_tokens = 20});
    ASSERT_TRUE(answer.ok()) << answer.error().message;
    EXPECT_EQ(answer->text, expected);
    EXPECT_EQ(answer->prompt_tokens, *(*chat)->count_chat({&message, 1}));
    EXPECT_EQ(answer->prompt_tokens, *reader_->count_prompt({"the thing"}));
    EXPECT_LT(*reader_->count_prompt({"the thing", false}), answer->prompt_tokens);
}

// One next_token() call for every token of the continuation, in plain mode.
TEST_F(TinyReader, LikelihoodIsTheSumOfItsSteps) {
    const std::string prompt = "the thing", continuation = " is a thing of the thing";
    const auto tokens = reader_->tokenizer().tokenize(continuation);
    ASSERT_TRUE(tokens.ok());
    ASSERT_GT(tokens->ids.size(), 3u);
    double expected = 0;
    for (size_t i = 0; i < tokens->ids.size(); ++i) {
        const auto next =
            open()->next_token({prompt + continuation.substr(0, tokens->begin[i]), false});
        ASSERT_TRUE(next.ok()) << next.error().message;
        double sum = 0;
        for (const float x : *next) sum += std::exp(x);
        EXPECT_NEAR(sum, 1, 1e-4);
        expected += (*next)[static_cast<size_t>(tokens->ids[i])];
    }
    for (int round = 0; round < 2; ++round) {  // the second time over a warm cache
        const auto got = reader_->likelihood({prompt, false}, continuation, 0);
        ASSERT_TRUE(got.ok()) << got.error().message;
        EXPECT_EQ(got->tokens, tokens->ids.size());
        EXPECT_NEAR(got->log_likelihood, expected, 1e-2 * tokens->ids.size());
        ASSERT_TRUE(reader_->answer({"something else"}, {.max_tokens = 3}).ok());
    }
    EXPECT_EQ(reader_->likelihood({prompt, false}, continuation, 2)->tokens, 2u);
    EXPECT_EQ(reader_->likelihood({prompt, false}, "", 0)->tokens, 0u);
    const auto likely = reader_->likelihood({prompt}, continuation, 0);
    ASSERT_TRUE(likely.ok());
    EXPECT_NE(likely->log_likelihood, expected) << "the chat template is another prompt";
}

TEST_F(TinyReader, ACacheChangesNothing) {
    const auto cold = open()->next_token({"the thing is the thing", false});
    ASSERT_TRUE(reader_->next_token({"the thing is", false}).ok());
    const auto warm = reader_->next_token({"the thing is the thing", false});
    ASSERT_TRUE(cold.ok() && warm.ok());
    for (size_t i = 0; i < cold->size(); ++i) ASSERT_NEAR((*cold)[i], (*warm)[i], 1e-3);
}

TEST_F(TinyReader, OneLineAndTheWindow) {
    const auto line = reader_->answer({"the thing", false}, {.max_tokens = 60, .one_line = true});
    ASSERT_TRUE(line.ok()) << line.error().message;
    EXPECT_GE(line->answer_tokens, 1u);
    EXPECT_EQ(line->text.find('\n'), std::string::npos);
    EXPECT_FALSE(line->text.empty());
    const auto rest = reader_->answer({"the thing"}, {.max_tokens = 10000});
    ASSERT_TRUE(rest.ok());
    EXPECT_LE(rest->prompt_tokens + rest->answer_tokens, 128u);
    const auto refused = reader_->answer({std::string(2000, 'x')}, {});
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
    EXPECT_FALSE(reader_->answer({"", false}, {}).ok());
    EXPECT_FALSE(open_llama_reader({.model_path = dir_ / "none.gguf"}).ok());
    EXPECT_FALSE(open_llama_reader({.model_path = dir_ / "m.gguf", .context_tokens = 4096}).ok());
}

TEST(RealReader, FindsTheRightAnswerLikelier) {
    const std::string path = real_model_path();
    if (path.empty()) GTEST_SKIP() << "set S3ATTN_TEST_MODEL to run on the real model";
    auto reader = open_llama_reader({.model_path = path, .threads = 1});
    ASSERT_TRUE(reader.ok()) << reader.error().message;
    const ReaderPrompt prompt{"The capital of France is the city of", false};
    const auto right = (*reader)->likelihood(prompt, " Paris", 0);
    const auto wrong = (*reader)->likelihood(prompt, " Berlin", 0);
    ASSERT_TRUE(right.ok() && wrong.ok());
    EXPECT_GT(right->log_likelihood, wrong->log_likelihood + 1);
    const auto answer = (*reader)->answer({"What is the capital of France?"}, {.max_tokens = 16});
    ASSERT_TRUE(answer.ok());
    EXPECT_NE(answer->text.find("Paris"), std::string::npos) << answer->text;
}

}  // namespace
}  // namespace s3attn
