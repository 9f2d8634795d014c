#include "answer/answer.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "model/fake_model.h"
#include "pieces.h"

namespace s3attn {
namespace {

// The fake's window and tokenizer with answers of the test's choice, byte by byte.
class ScriptedGenerator : public Generator {
  public:
    explicit ScriptedGenerator(std::string answer) : answer_(std::move(answer)) {}
    const ModelInfo& info() const override { return fake_->info(); }
    const Tokenizer& tokenizer() const override { return fake_->tokenizer(); }
    uint32_t context_tokens() const override { return fake_->context_tokens(); }
    Result<uint32_t> count_chat(std::span<const ChatMessage> messages) const override {
        return fake_->count_chat(messages);
    }
    Result<GenerateResult> chat(std::span<const ChatMessage>, const GenerateOptions& options,
                                const std::function<bool(std::string_view)>& on_piece) override {
        ++calls;
        GenerateResult result;
        if (fail) return make_error(ErrorCode::kInternal, "the reader broke");
        for (const char& c : answer_) {
            if (result.generated_tokens == options.max_tokens) {
                result.stopped_at_limit = true;
                break;
            }
            ++result.generated_tokens;
            if (!on_piece({&c, 1})) break;
        }
        generated = result.generated_tokens;
        return result;
    }

    int calls = 0;
    uint32_t generated = 0;
    bool fail = false;

  private:
    std::string answer_;
    std::unique_ptr<Generator> fake_ = make_fake_generator();
};

SearchResult lighthouse() {
    SearchResult search;
    search.question = "Who built the lighthouse?";
    search.spans = {make_span(200, "The railway carried iron ore for sixty years."),
                    make_span(0, "Ingrid Solberg built the lighthouse in 1874. It burned oil.")};
    return search;
}

AskOptions long_answers() {
    AskOptions options;
    options.max_answer_tokens = 4000;
    return options;
}

TEST(GenerateAnswer, AnswersFromTheEvidenceAndCitesIt) {
    const auto generator = make_fake_generator();
    std::string streamed;
    const auto result = generate_answer(*generator, lighthouse(), {}, [&](std::string_view piece) {
        streamed += piece;
        return true;
    });
    ASSERT_TRUE(result.ok());
    EXPECT_NE(result->answer.find("Solberg"), std::string::npos);
    EXPECT_EQ(streamed, result->answer);
    EXPECT_EQ(result->numbers, (std::vector<uint32_t>{2, 1}));
    ASSERT_EQ(result->citations.size(), 1u);
    EXPECT_EQ(result->citations[0].number, 1u);
    EXPECT_EQ(result->citations[0].span_index, 1u);
    EXPECT_EQ(result->search.spans.size(), 2u);
    EXPECT_GT(result->prompt_tokens, 0u);
    EXPECT_GT(result->answer_tokens, 0u);
    EXPECT_FALSE(result->stopped_at_limit);
}

TEST(GenerateAnswer, NeverAsksTheReaderWithoutEvidence) {
    ScriptedGenerator generator("Invented.");
    SearchResult refused = lighthouse();
    refused.evidence_found = false;
    SearchResult empty;
    empty.question = "Who?";
    for (const SearchResult& search : {refused, empty}) {
        std::string streamed;
        const auto result = generate_answer(generator, search, {}, [&](std::string_view piece) {
            streamed += piece;
            return true;
        });
        ASSERT_TRUE(result.ok());
        EXPECT_EQ(result->answer, kNoEvidenceAnswer);
        EXPECT_EQ(streamed, result->answer);
        EXPECT_TRUE(result->citations.empty());
    }
    EXPECT_EQ(generator.calls, 0);
}

TEST(GenerateAnswer, AWindowThatIsTooSmallIsExplained) {
    FakeOptions small;
    small.context_tokens = 37;
    const auto generator = make_fake_generator(small);
    AskOptions options;
    options.search.budget_tokens = 777;
    const auto result = generate_answer(*generator, lighthouse(), options, nullptr);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(result.error().message.find("37"), std::string::npos);
    EXPECT_NE(result.error().message.find("777"), std::string::npos);
    EXPECT_NE(result.error().message.find("--budget"), std::string::npos);
}

TEST(GenerateAnswer, TheCallerCanStop) {
    ScriptedGenerator generator("One two three four five six seven eight.");
    std::string streamed;
    const auto result =
        generate_answer(generator, lighthouse(), long_answers(), [&](std::string_view piece) {
            streamed += piece;
            return streamed.size() < 8;
        });
    ASSERT_TRUE(result.ok());
    EXPECT_EQ(result->answer, streamed);
    EXPECT_TRUE(std::string_view("One two three").starts_with(streamed));
    EXPECT_LT(generator.generated, 16u);
}

TEST(GenerateAnswer, LoopsEndAndAreShownOnce) {
    std::string loop;
    for (int i = 0; i < 100; ++i) loop += "The Opera ghost! ";
    ScriptedGenerator generator(loop);
    std::string streamed;
    const auto result =
        generate_answer(generator, lighthouse(), long_answers(), [&](std::string_view piece) {
            streamed += piece;
            return true;
        });
    ASSERT_TRUE(result.ok());
    EXPECT_EQ(result->answer, "The Opera ghost!");
    EXPECT_EQ(streamed, result->answer);
    EXPECT_LT(generator.generated, 100u);
    EXPECT_FALSE(result->stopped_at_limit);
}

TEST(GenerateAnswer, MarksThatDoNotExistAreNeverShown) {
    ScriptedGenerator generator(" Solberg [1] built it [7], they say [2, 5]. \n");
    std::string streamed;
    const auto result =
        generate_answer(generator, lighthouse(), long_answers(), [&](std::string_view piece) {
            streamed += piece;
            return true;
        });
    ASSERT_TRUE(result.ok());
    EXPECT_EQ(result->answer, "Solberg [1] built it, they say [2].");
    EXPECT_EQ(streamed, result->answer);
    // The mark [2] exists, so its span is cited, behind the one that holds the words.
    ASSERT_EQ(result->citations.size(), 2u);
    EXPECT_EQ(result->citations[0].number, 1u);
    EXPECT_EQ(result->citations[1].number, 2u);
}

TEST(GenerateAnswer, AnEmptyAnswerIsSaid) {
    for (const char* nothing : {"", " \n ", "[9]"}) {
        ScriptedGenerator generator(nothing);
        std::string streamed;
        const auto result =
            generate_answer(generator, lighthouse(), {}, [&](std::string_view piece) {
                streamed += piece;
                return true;
            });
        ASSERT_TRUE(result.ok());
        EXPECT_EQ(result->answer, kEmptyAnswer);
        EXPECT_EQ(streamed, result->answer);
    }
}

TEST(GenerateAnswer, TheLimitIsReported) {
    ScriptedGenerator generator("Solberg built it.");
    AskOptions options;
    options.max_answer_tokens = 7;
    const auto result = generate_answer(generator, lighthouse(), options, nullptr);
    ASSERT_TRUE(result.ok());
    EXPECT_EQ(result->answer, "Solberg");
    EXPECT_TRUE(result->stopped_at_limit);
    EXPECT_EQ(result->answer_tokens, 7u);
}

TEST(GenerateAnswer, TheReadersErrorComesThrough) {
    ScriptedGenerator generator("x");
    generator.fail = true;
    const auto result = generate_answer(generator, lighthouse(), {}, nullptr);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().message, "the reader broke");
}

}  // namespace
}  // namespace s3attn
