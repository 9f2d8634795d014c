#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "answer/answer.h"
#include "pieces.h"

namespace s3attn {
namespace {

const std::vector<Span> kSpans = {
    make_span(0, "Potatoes were planted in the valley by monks from the south."),
    make_span(100, "The lighthouse was built in 1874 by the engineer Ingrid Solberg."),
    make_span(200, "The railway carried iron ore; the lighthouse stood far away.")};
const std::vector<uint32_t> kNumbers = {2, 3, 1};
constexpr const char* kQuestion = "Who built the lighthouse?";

TEST(Cite, TheSpanThatHoldsTheAnswerComesFirst) {
    const auto citations =
        cite("Ingrid Solberg built the lighthouse.", kQuestion, kSpans, kNumbers);
    ASSERT_FALSE(citations.empty());
    EXPECT_EQ(citations[0].span_index, 1u);
    EXPECT_EQ(citations[0].number, 3u);
}

TEST(Cite, InflectionsCount) {
    const auto citations = cite("A potato plant.", kQuestion, kSpans, kNumbers);
    ASSERT_FALSE(citations.empty());
    EXPECT_EQ(citations[0].span_index, 0u);
}

TEST(Cite, NothingSharedNothingCited) {
    EXPECT_TRUE(cite("Quantum chromodynamics.", kQuestion, kSpans, kNumbers).empty());
    EXPECT_TRUE(cite("The of and is.", kQuestion, kSpans, kNumbers).empty());
    EXPECT_TRUE(cite("", kQuestion, kSpans, kNumbers).empty());
    EXPECT_TRUE(cite("Solberg", kQuestion, {}, {}).empty());
}

TEST(Cite, RepeatingTheQuestionWeighsLittle) {
    // Three words of the question against one word that only the answer has.
    const std::vector<Span> spans = {make_span(0, "Who built the lighthouse at the cape?"),
                                     make_span(100, "Solberg did, people say.")};
    const auto citations = cite("Solberg built the lighthouse at the cape.",
                                "Who built the lighthouse at the cape?", spans, {1, 2});
    ASSERT_FALSE(citations.empty());
    EXPECT_EQ(citations[0].number, 2u);
}

RC_GTEST_PROP(CiteProperty, OnlyNumbersThatExist, ()) {
    const auto words = text_of({"solberg ", "ghost ", "tern ", "cellar ", "the ", "1874 ", "[9] "});
    const auto texts = *rc::gen::container<std::vector<std::string>>(words);
    std::vector<Span> spans;
    std::vector<uint32_t> numbers;
    for (size_t i = 0; i < texts.size(); ++i) {
        spans.push_back(make_span(100 * i, texts[i]));
        numbers.push_back(static_cast<uint32_t>(texts.size() - i));
    }
    const auto citations = cite(*words, *words, spans, numbers);
    RC_ASSERT(citations.size() <= kMaxCitations);
    std::set<uint32_t> seen;
    for (const Citation& citation : citations) {
        RC_ASSERT(citation.span_index < spans.size());
        RC_ASSERT(citation.number == numbers[citation.span_index]);
        RC_ASSERT(seen.insert(citation.number).second);
    }
}

}  // namespace
}  // namespace s3attn
