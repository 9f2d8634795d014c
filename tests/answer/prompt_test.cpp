#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <numeric>

#include "answer/answer.h"
#include "answer/support.h"
#include "pieces.h"

namespace s3attn {
namespace {

TEST(Prompt, NumbersFollowTheDocument) {
    const std::vector<Span> spans = {make_span(500, "third"), make_span(20, "first"),
                                     make_span(300, "second")};
    const Prompt prompt = build_prompt("Why?", spans, class_of({}));
    EXPECT_EQ(prompt.numbers, (std::vector<uint32_t>{3, 1, 2}));
    // The best (rank 0) stands last.
    const std::string& text = prompt.messages.back().text;
    EXPECT_LT(text.find("[2] second"), text.find("[1] first"));
    EXPECT_LT(text.find("[1] first"), text.find("[3] third"));
    EXPECT_NE(text.find("[2] second"), std::string::npos);
}

TEST(Prompt, HeadingsAndColumnsStandAboveThePassage) {
    Span span = make_span(0, "| Lyon | 4319 |");
    span.heading = "Ledger > Dues";
    span.columns = "City | Paid";
    const std::string text = build_prompt("Who paid?", {span}, class_of({})).messages.back().text;
    EXPECT_NE(text.find("[1] Ledger > Dues\nCity | Paid\n| Lyon | 4319 |"), std::string::npos)
        << text;
    // Its own heading, with which the text begins, is not said twice.
    span.text = "## Dues\n\nLyon paid 4319.";
    span.columns.clear();
    EXPECT_EQ(read_as(span), "Ledger\n## Dues\n\nLyon paid 4319.");
    span.heading.clear();
    EXPECT_EQ(read_as(span), span.text);
    // What an answer takes from a heading is in the evidence.
    span.heading = "Ledger of Nantes";
    EXPECT_TRUE(unfounded_words("It was Nantes that paid 4319.", "Who paid?", {span}).empty());
}

TEST(Prompt, TheLastTurnIsTheUsersAndEndsWithTheQuestion) {
    const Prompt prompt =
        build_prompt("Who built it?", {make_span(0, "Solberg built it.")}, class_of({}));
    ASSERT_FALSE(prompt.messages.empty());
    EXPECT_EQ(prompt.messages.back().role, "user");
    const std::string& text = prompt.messages.back().text;
    EXPECT_LT(text.find("Solberg built it."), text.find("Who built it?"));
}

TEST(Prompt, IsInTheQuestionsLanguage) {
    const auto prompt = [](const std::string& question) {
        return build_prompt(question, {make_span(0, "Solberg.")}, class_of({})).messages[0].text;
    };
    EXPECT_NE(prompt("Wer hat den Leuchtturm gebaut und wann?").find("auf Deutsch"),
              std::string::npos);
    EXPECT_NE(prompt("Кто построил этот маяк на острове?").find("по-русски"), std::string::npos);
    EXPECT_NE(prompt("谁建造了这座灯塔？").find("用中文"), std::string::npos);
    EXPECT_NE(prompt("Quand le phare a-t-il été construit par les pêcheurs ?").find("en français"),
              std::string::npos);
    EXPECT_NE(prompt("من بنى المنارة على الجزيرة؟").find("بالعربية"), std::string::npos);
    for (const char* english : {"Who built it?", "When did Müller arrive?", "Varn"}) {
        EXPECT_TRUE(prompt(english).starts_with("Evidence:\n\n")) << english;
        EXPECT_NE(prompt(english).find("from the evidence."), std::string::npos) << english;
    }
}

TEST(Prompt, TheSentenceWithoutEvidenceIsInTheQuestionsLanguage) {
    EXPECT_EQ(no_evidence_answer("Who built it?"),
              "The indexed documents do not contain evidence for this question.");
    EXPECT_NE(no_evidence_answer("Wer hat den Leuchtturm gebaut und wann?").find("keinen Beleg"),
              std::string_view::npos);
    EXPECT_NE(no_evidence_answer("谁建造了这座灯塔？").find("证据"), std::string_view::npos);
}

RC_GTEST_PROP(PromptProperty, EvidenceIsVerbatimAndNumberedInOriginalOrder, ()) {
    const auto texts =
        *rc::gen::container<std::vector<std::string>>(rc::gen::arbitrary<std::string>());
    std::vector<size_t> place(texts.size());
    std::iota(place.begin(), place.end(), size_t{0});
    // Any order of rank: a permutation drawn as sort keys.
    const auto keys =
        *rc::gen::container<std::vector<int>>(texts.size(), rc::gen::arbitrary<int>());
    std::stable_sort(place.begin(), place.end(),
                     [&](size_t a, size_t b) { return keys[a] < keys[b]; });
    std::vector<Span> spans;
    for (const size_t at : place) spans.push_back(make_span(1000 * at, texts[at]));

    const Prompt prompt = build_prompt("Which?", spans, class_of({}));
    RC_ASSERT(prompt.numbers.size() == spans.size());
    const std::string& user = prompt.messages.back().text;
    size_t from = 0;
    for (size_t i = spans.size(); i-- > 0;) {
        const std::string shown = "[" + std::to_string(place[i] + 1) + "] " + spans[i].text;
        from = user.find(shown, from);
        RC_ASSERT(from != std::string::npos);
        from += shown.size();
    }
    for (size_t i = 0; i < place.size(); ++i) RC_ASSERT(prompt.numbers[i] == place[i] + 1);
}

}  // namespace
}  // namespace s3attn
