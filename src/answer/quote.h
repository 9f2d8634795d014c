// Which sentence of the evidence answers: chosen by what attention and words say of each
// (docs/answers.md).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "s3attn/types.h"

namespace s3attn {

// A sentence of the evidence.
struct EvidenceSentence {
    size_t span = 0;
    size_t begin = 0, end = 0;    // in Span::text
    double mass = 0, cosine = 0;  // retrieve/sentence_attention.h; 0 where attention was not asked
};

// Sentences of the first spans, in their order: at most kQuoteSpans spans, kQuoteSentences in all.
inline constexpr size_t kQuoteSpans = 12, kQuoteSentences = 400;
std::vector<EvidenceSentence> evidence_sentences(const std::vector<Span>& spans);

// What the choice is made from, by name and in this order.
inline constexpr std::array<std::string_view, 11> kQuoteFeatureNames{
    "log_mass",     "cosine",    "mass_in_span", "span_rank", "span_score", "words",
    "words_around", "kind_fits", "length",       "begins",    "question"};
using QuoteFeatures = std::array<double, kQuoteFeatureNames.size()>;
// `rarity`: of the question's words, by ContentWord::form; 1 for a word that is not there.
std::vector<QuoteFeatures> quote_features(const std::string& question,
                                          const std::vector<Span>& spans,
                                          const std::vector<EvidenceSentence>& sentences,
                                          const std::map<std::string, double>& rarity);

// 1 where a text has a number or a name of the kind that the question asks for, 0 where not, 0.5
// where it asks for neither.
double answer_kind_fits(const std::string& question, std::string_view text);

// How likely each sentence holds the answer; they sum to 1 at most: the rest is that none does.
std::vector<double> quote_chances(const std::vector<QuoteFeatures>& features, bool attention);

// The likeliest sentence, with the likelier of its neighbours in the span where that may well be
// the one. Not found: there are no sentences.
Quote make_quote(const std::vector<Span>& spans, const std::vector<EvidenceSentence>& sentences,
                 const std::vector<double>& chances);

}  // namespace s3attn
