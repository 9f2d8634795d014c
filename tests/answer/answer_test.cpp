#include "answer/answer.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "answer/history.h"
#include "model/fake_model.h"
#include "pieces.h"
#include "s3attn/reason.h"

namespace s3attn {
namespace {

// The fake's window and tokenizer with answers of the test's choice, byte by byte.
class ScriptedReader : public Reader {
  public:
    explicit ScriptedReader(std::string answer) : answer_(std::move(answer)) {}
    const ReaderInfo& info() const override { return fake_->info(); }
    Result<uint32_t> count(std::string_view text) const override { return fake_->count(text); }
    Result<uint32_t> count_chat(std::span<const ChatTurn> messages) const override {
        return fake_->count_chat(messages);
    }
    Result<GenerateResult> chat(std::span<const ChatTurn>, const GenerateOptions& options,
                                const std::function<bool(std::string_view)>& on_piece) override {
        ++calls;
        GenerateResult result;
        if (fail) return make_error(ErrorCode::kInternal, "the reader broke");
        for (const char& c : answer_) {
            if (result.generated_tokens == options.max_tokens) {
                result.finish = FinishReason::kLength;
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
    std::unique_ptr<Reader> fake_ = make_fake_reader();
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
    const auto reader = make_fake_reader();
    std::string streamed;
    const auto result = generate_answer(*reader, lighthouse(), {}, [&](std::string_view piece) {
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
    ScriptedReader reader("Invented.");
    SearchResult refused = lighthouse();
    refused.evidence_found = false;
    SearchResult empty;
    empty.question = "Who?";
    for (const SearchResult& search : {refused, empty}) {
        std::string streamed;
        const auto result = generate_answer(reader, search, {}, [&](std::string_view piece) {
            streamed += piece;
            return true;
        });
        ASSERT_TRUE(result.ok());
        EXPECT_EQ(result->answer, kNoEvidenceAnswer);
        EXPECT_EQ(streamed, result->answer);
        EXPECT_TRUE(result->citations.empty());
    }
    EXPECT_EQ(reader.calls, 0);
}

TEST(GenerateAnswer, WithheldAnswersShowTheEvidenceAndNeverAskTheReader) {
    ScriptedReader reader("Invented.");
    SearchResult search = lighthouse();
    search.quote.found = true;
    search.quote.span_index = 1;
    search.quote.text = search.spans[1].text;
    AskOptions options;
    options.withhold_below = 1.0;
    const auto withheld = generate_answer(reader, search, options, nullptr);
    ASSERT_TRUE(withheld.ok());
    EXPECT_TRUE(withheld->withheld);
    EXPECT_EQ(withheld->answer, kWithheldAnswer);
    EXPECT_EQ(withheld->numbers, (std::vector<uint32_t>{2, 1}));
    EXPECT_EQ(reader.calls, 0);
    options.withhold_below = 0;
    const auto answered = generate_answer(reader, search, options, nullptr);
    EXPECT_FALSE(answered->withheld);
    EXPECT_EQ(reader.calls, 1);
}

TEST(GenerateAnswer, AServerWithASmallerWindowIsAskedAgainWithLess) {
    class Small final : public ScriptedReader {
      public:
        Small() : ScriptedReader("Solberg.") {}
        Result<GenerateResult> chat(
            std::span<const ChatTurn> messages, const GenerateOptions& options,
            const std::function<bool(std::string_view)>& on_piece) override {
            if (messages.back().text.find("[2]") == std::string::npos) {
                return ScriptedReader::chat(messages, options, on_piece);
            }
            return make_error(ErrorCode::kInvalidArgument, reason::kBudgetLarge, "budget", "long");
        }
    } reader;
    const auto result = generate_answer(reader, lighthouse(), long_answers(), nullptr);
    ASSERT_TRUE(result.ok());
    EXPECT_EQ(result->search.spans.size(), 1u);
    ASSERT_EQ(result->notes.size(), 1u);
    EXPECT_NE(result->notes[0].find("best 1 of 2"), std::string::npos);
}

TEST(GenerateAnswer, AWindowThatIsTooSmallIsExplained) {
    FakeOptions small;
    small.context_tokens = 37;
    const auto reader = make_fake_reader(small);
    AskOptions options;
    options.search.budget_tokens = 777;
    const auto result = generate_answer(*reader, lighthouse(), options, nullptr);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(result.error().message.find("37"), std::string::npos);
    EXPECT_NE(result.error().message.find("777"), std::string::npos);
    EXPECT_NE(result.error().message.find("budget"), std::string::npos);
}

TEST(GenerateAnswer, TheCallerCanStop) {
    ScriptedReader reader("One two three four five six seven eight.");
    std::string streamed;
    const auto result =
        generate_answer(reader, lighthouse(), long_answers(), [&](std::string_view piece) {
            streamed += piece;
            return streamed.size() < 8;
        });
    ASSERT_TRUE(result.ok());
    EXPECT_EQ(result->answer, streamed);
    EXPECT_TRUE(std::string_view("One two three").starts_with(streamed));
    EXPECT_LT(reader.generated, 16u);
}

TEST(GenerateAnswer, LoopsEndAndAreShownOnce) {
    std::string loop;
    for (int i = 0; i < 100; ++i) loop += "The Opera ghost! ";
    ScriptedReader reader(loop);
    std::string streamed;
    const auto result =
        generate_answer(reader, lighthouse(), long_answers(), [&](std::string_view piece) {
            streamed += piece;
            return true;
        });
    ASSERT_TRUE(result.ok());
    EXPECT_EQ(result->answer, "The Opera ghost!");
    EXPECT_EQ(streamed, result->answer);
    EXPECT_LT(reader.generated, 100u);
    EXPECT_FALSE(result->stopped_at_limit);
}

TEST(GenerateAnswer, MarksThatDoNotExistAreNeverShown) {
    ScriptedReader reader(" Solberg [1] built it [7], they say [2, 5]. \n");
    std::string streamed;
    const auto result =
        generate_answer(reader, lighthouse(), long_answers(), [&](std::string_view piece) {
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
        ScriptedReader reader(nothing);
        std::string streamed;
        const auto result = generate_answer(reader, lighthouse(), {}, [&](std::string_view piece) {
            streamed += piece;
            return true;
        });
        ASSERT_TRUE(result.ok());
        EXPECT_EQ(result->answer, kEmptyAnswer);
        EXPECT_EQ(streamed, result->answer);
    }
}

TEST(GenerateAnswer, TheLimitIsReported) {
    ScriptedReader reader("Solberg built it.");
    AskOptions options;
    options.max_answer_tokens = 7;
    const auto result = generate_answer(reader, lighthouse(), options, nullptr);
    ASSERT_TRUE(result.ok());
    EXPECT_EQ(result->answer, "Solberg");
    EXPECT_TRUE(result->stopped_at_limit);
    EXPECT_EQ(result->answer_tokens, 7u);
}

TEST(GenerateAnswer, TheReadersErrorComesThrough) {
    ScriptedReader reader("x");
    reader.fail = true;
    const auto result = generate_answer(reader, lighthouse(), {}, nullptr);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().message, "the reader broke");
}

AskOptions with_history(std::vector<ChatTurn> history) {
    AskOptions options;
    options.history = std::move(history);
    return options;
}

// A history has a budget of its own: the newest turns stay, in their order, and the rest is told.
TEST(History, TheNewestTurnsThatFitItsBudgetStay) {
    const auto reader = make_fake_reader();
    AskOptions options = with_history({{"system", "be brief"},
                                       {"user", "one two three"},
                                       {"assistant", "four five six"},
                                       {"user", "seven eight"}});
    options.history_tokens = 7;  // of 2, 3, 3 and 2 words
    std::vector<ChatTurn> messages{{"user", "now"}};
    const auto left_out = add_history(*reader, options, messages);
    ASSERT_TRUE(left_out.ok()) << left_out.error().message;
    EXPECT_EQ(*left_out, 1u);
    ASSERT_EQ(messages.size(), 4u);
    EXPECT_EQ(messages[0].role, "system");
    EXPECT_EQ(messages[1].text, "four five six");
    EXPECT_EQ(messages[2].text, "seven eight");
    EXPECT_EQ(messages[3].text, "now");
}

// Counts tokenizer passes and how much they read.
class CountingReader final : public ScriptedReader {
  public:
    CountingReader() : ScriptedReader("x") {}
    Result<uint32_t> count(std::string_view text) const override {
        bytes += text.size();
        return ScriptedReader::count(text);
    }
    mutable size_t bytes = 0;
};

TEST(History, AnEnormousTurnIsNotTokenized) {
    CountingReader reader;
    const AskOptions options =
        with_history({{"user", std::string(60'000'000, 'x')}, {"assistant", "yes"}});
    std::vector<ChatTurn> messages{{"user", "now"}};
    const auto left_out = add_history(reader, options, messages);
    ASSERT_TRUE(left_out.ok()) << left_out.error().message;
    EXPECT_EQ(*left_out, 1u);
    EXPECT_LT(reader.bytes, 100u);
    AskOptions all = options;
    all.history = {{"user", "why"}, {"assistant", "so"}};
    const auto result = generate_answer(reader, lighthouse(), all, nullptr);
    ASSERT_TRUE(result.ok());
    EXPECT_EQ(result->history_left_out, 0u);
}

}  // namespace
}  // namespace s3attn
