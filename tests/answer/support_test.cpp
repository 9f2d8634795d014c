#include "answer/support.h"

#include <gtest/gtest.h>

#include "pieces.h"

namespace s3attn {
namespace {

const std::string kAsked = "Who built the lighthouse on Varn, and for how much?";

std::vector<Span> evidence() {
    return {
        make_span(0,
                  "Ada Solberg built the lighthouse in 1874 for twenty thousand crowns. Its lamp "
                  "cost 1,250 crowns, and burned 3.5 barrels of whale oil."),
        make_span(900, "The railway carried iron ore for two hundred and forty years.")};
}

std::vector<std::string> unfounded(const std::string& answer) {
    std::vector<std::string> words;
    for (const UnfoundedWord& word : unfounded_words(answer, kAsked, evidence())) {
        EXPECT_EQ(answer.substr(word.begin, word.end - word.begin), word.text);
        words.push_back(word.text);
    }
    return words;
}

TEST(UnfoundedWords, NumbersAndNamesThatStandNowhereAreFound) {
    EXPECT_EQ(unfounded("It was built by Edward Kern in 1893 for 20,000 crowns."),
              (std::vector<std::string>{"Edward", "Kern", "1893"}));
    EXPECT_EQ(unfounded("The price was $100 [1]."), std::vector<std::string>{"100"});
    // Also where a sentence begins with them.
    EXPECT_EQ(unfounded("Edward Kern built it."), (std::vector<std::string>{"Edward", "Kern"}));
    EXPECT_EQ(unfounded("Birmingham."), std::vector<std::string>{"Birmingham"});
}

TEST(UnfoundedWords, WhatTheEvidenceSaysInOtherFormsIsFounded) {
    for (const char* answer :
         {"Ada Solberg, in 1874.", "It cost 20 000 crowns, the lamp 1250, or 1,250 [1].",
          "However, Solberg's lighthouse on Varn burned 3.5 barrels.", "After 240 years [1, 2].",
          "The Lighthouse of Varn.", "No answer."}) {
        EXPECT_EQ(unfounded(answer), std::vector<std::string>{}) << answer;
    }
}

TEST(SupportSentences, EachSentenceCarriesTheSpansThatHoldIt) {
    const std::string answer =
        "Ada Solberg built it in 1874. The railway carried iron ore. The harbour froze in winter "
        "and ships sank. It was paid for by Edward Kern.";
    const auto sentences = support_sentences(answer, kAsked, evidence(), {1, 2});
    ASSERT_EQ(sentences.size(), 4u);
    EXPECT_TRUE(sentences[0].supported);
    EXPECT_EQ(sentences[0].numbers, std::vector<uint32_t>{1});
    EXPECT_TRUE(sentences[1].supported);
    EXPECT_EQ(sentences[1].numbers, std::vector<uint32_t>{2});
    EXPECT_FALSE(sentences[2].supported);
    EXPECT_TRUE(sentences[2].numbers.empty());
    EXPECT_FALSE(sentences[3].supported);
    EXPECT_EQ(answer.substr(sentences[1].begin, sentences[1].end - sentences[1].begin),
              "The railway carried iron ore.");
}

TEST(SupportSentences, NothingIsSaidOfNothing) {
    EXPECT_TRUE(support_sentences("", kAsked, evidence(), {1, 2}).empty());
    EXPECT_FALSE(support_sentences("The harbour froze.", kAsked, {}, {}).front().supported);
}

}  // namespace
}  // namespace s3attn
