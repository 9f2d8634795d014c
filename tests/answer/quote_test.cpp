#include "answer/quote.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "pieces.h"

namespace s3attn {
namespace {

std::vector<Span> harbour() {
    std::vector<Span> spans{
        make_span(100,
                  "The harbour froze in 1903. Ada Solberg built the lighthouse. It burned oil."),
        make_span(0, "A railway carried ore. Nobody built anything else.")};
    for (Span& span : spans) span.byte_end = span.byte_begin + span.text.size();
    spans[0].score = 1;
    spans[1].score = 0.5;
    spans[0].line_begin = spans[0].line_end = 7;
    return spans;
}

Quote quote_for(const std::string& question, const std::vector<Span>& spans) {
    const auto sentences = evidence_sentences(spans);
    return make_quote(spans, sentences,
                      quote_chances(quote_features(question, spans, sentences, {}), false));
}

TEST(Quote, IsTheSentenceWordForWordWithItsBytes) {
    const std::vector<Span> spans = harbour();
    const Quote quote = quote_for("Who built the lighthouse?", spans);
    ASSERT_TRUE(quote.found);
    EXPECT_EQ(quote.span_index, 0u);
    EXPECT_NE(quote.text.find("Ada Solberg built the lighthouse."), std::string::npos);
    EXPECT_EQ(quote.text,
              spans[0].text.substr(quote.byte_begin - 100, quote.byte_end - quote.byte_begin));
    EXPECT_TRUE(quote.exact_bytes);
    EXPECT_EQ(quote.line_begin, 7u);
    EXPECT_GT(quote.score, 0.0);
    EXPECT_LE(quote.score, 1.0);
    EXPECT_LE(quote.sentences, 2u);
}

TEST(Quote, ASourceInAnotherEncodingGivesTheWholeSpansBytes) {
    std::vector<Span> spans = harbour();
    spans[0].byte_end += 9;
    const Quote quote = quote_for("Who built the lighthouse?", spans);
    EXPECT_FALSE(quote.exact_bytes);
    EXPECT_EQ(quote.byte_begin, spans[0].byte_begin);
    EXPECT_EQ(quote.byte_end, spans[0].byte_end);
}

TEST(Quote, AttentionMovesTheChoice) {
    const std::vector<Span> spans = harbour();
    auto sentences = evidence_sentences(spans);
    ASSERT_EQ(sentences.size(), 5u);
    for (size_t looked_at = 0; looked_at < 3; ++looked_at) {
        for (auto& sentence : sentences) sentence.mass = 1e-4, sentence.cosine = 0.1;
        sentences[looked_at].mass = 0.9;
        sentences[looked_at].cosine = 0.9;
        const auto chances =
            quote_chances(quote_features("Tell me of it.", spans, sentences, {}), true);
        EXPECT_EQ(std::max_element(chances.begin(), chances.end()) - chances.begin(),
                  static_cast<ptrdiff_t>(looked_at));
    }
}

TEST(Quote, ThereIsNoneWithoutEvidence) {
    EXPECT_FALSE(quote_for("Who?", {}).found);
    EXPECT_FALSE(quote_for("Who?", {make_span(0, " \n ")}).found);
}

}  // namespace
}  // namespace s3attn
