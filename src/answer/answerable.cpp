#include "answer/answerable.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "answer/quote.h"
#include "retrieve/words.h"

namespace s3attn {
namespace {

// Weights of answerable_features() and, last, the constant; fitted by bench/fit_answerable.py.
constexpr std::array<double, kAnswerableFeatureNames.size() + 1> kWeights{11.4,   -1.46, 0.36, 7.32,
                                                                          0.0731, 4.77,  -14.7};

// Of the question's content words, the share that the texts have.
double shared(const std::vector<ContentWord>& words, std::vector<TextWords> texts) {
    if (words.empty()) return 1;
    size_t has = 0;
    for (const ContentWord& word : words) {
        has += std::any_of(texts.begin(), texts.end(),
                           [&](TextWords& text) { return text.has(word); });
    }
    return static_cast<double>(has) / static_cast<double>(words.size());
}

}  // namespace

AnswerableFeatures answerable_features(const SearchResult& search) {
    const std::vector<ContentWord> words = content_words(search.question);
    std::vector<TextWords> best, all;
    for (const Span& span : search.spans) all.emplace_back(span.text);
    const Quote& quote = search.quote;
    if (quote.span_index < search.spans.size()) {
        best.emplace_back(search.spans[quote.span_index].text);
    }
    std::vector<TextWords> quoted;
    quoted.emplace_back(quote.text);
    return {search.evidence_score,
            shared(words, std::move(quoted)),
            shared(words, std::move(best)),
            shared(words, std::move(all)),
            answer_kind_fits(search.question, quote.text),
            quote.score};
}

double answerable(const SearchResult& search) {
    if (!search.evidence_found || search.spans.empty()) return 0;
    if (!search.quote.found) return 1;
    const AnswerableFeatures features = answerable_features(search);
    double sum = kWeights.back();
    for (size_t f = 0; f < features.size(); ++f) sum += kWeights[f] * features[f];
    return 1 / (1 + std::exp(-sum));
}

}  // namespace s3attn
