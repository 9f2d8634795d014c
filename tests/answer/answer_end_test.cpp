#include "answer/answer_end.h"

#include <gtest/gtest.h>

#include "answer/reader_class.h"
#include "pieces.h"

namespace s3attn {
namespace {

std::string fed(AnswerEnd& end, std::string_view text, size_t step) {
    std::string out;
    for (size_t i = 0; i < text.size(); i += step) out += end.feed(text.substr(i, step));
    return out;
}

constexpr std::string_view kThree =
    "Dr. Solberg built it in 1874. It burned whale oil. The harbour freezes every winter. Yes.";

TEST(AnswerEnd, EndsBehindTheLastSentenceWhereverPiecesAreCut) {
    for (const size_t step : {1, 2, 3, 7, 1000}) {
        AnswerEnd end(2);
        EXPECT_EQ(fed(end, kThree, step), "Dr. Solberg built it in 1874. It burned whale oil.");
        EXPECT_TRUE(end.ended());
        EXPECT_FALSE(end.repeated());
    }
}

TEST(AnswerEnd, WithoutALimitEverythingPasses) {
    AnswerEnd end(0);
    const std::string twice = std::string(kThree) + " " + std::string(kThree);
    EXPECT_EQ(fed(end, twice, 3), twice);
    EXPECT_FALSE(end.ended());
}

TEST(AnswerEnd, AParaphraseOfWhatWasSaidEndsIt) {
    AnswerEnd end(6);
    const std::string loop =
        "The ghost is a ghostly figure of the opera. The figure of the opera is a ghost, a ghostly "
        "figure. And the opera ghost is that figure. More.";
    EXPECT_EQ(fed(end, loop, 4),
              "The ghost is a ghostly figure of the opera. The figure of the opera is a ghost, a "
              "ghostly figure.");
    EXPECT_TRUE(end.repeated());
}

TEST(AnswerEnd, WhatIsNewGoesOn) {
    AnswerEnd end(6);
    EXPECT_EQ(fed(end, kThree, 5), kThree);
    EXPECT_FALSE(end.ended());
}

TEST(ReaderClass, SmallReadersAnswerShortAndUnknownOnesAreTakenForLarge) {
    ReaderInfo info;
    info.parameters = 135'000'000;
    const ReaderClass small = class_of(info);
    EXPECT_LT(small.max_answer_tokens, 100u);
    EXPECT_GT(small.fact_sentences, 0u);
    info.parameters = 494'000'000;
    EXPECT_GT(class_of(info).fact_sentences, 0u);
    for (const uint64_t large : {uint64_t{0}, uint64_t{1'543'000'000}}) {
        info.parameters = large;
        EXPECT_EQ(class_of(info).fact_sentences, 0u);
        EXPECT_EQ(class_of(info).max_answer_tokens, 256u);
    }
}

TEST(ReaderClass, WhatAsksForAFact) {
    for (const char* fact : {"Who built it?", "In which year?", "How many ships are there?",
                             "WHEN was that", "  Where is Varn?"}) {
        EXPECT_TRUE(asks_for_fact(fact)) << fact;
    }
    for (const char* other : {"Why did it burn?", "How does the lamp work?", "Describe the mill.",
                              "", "Explain what happened."}) {
        EXPECT_FALSE(asks_for_fact(other)) << other;
    }
}

}  // namespace
}  // namespace s3attn
