// Whether the evidence answers the question: one chance, from what search has measured already.
#pragma once

#include <array>
#include <string_view>

#include "s3attn/types.h"

namespace s3attn {

inline constexpr std::array<std::string_view, 8> kAnswerableFeatureNames{
    "cosine",    "words_in_quote", "words_in_best", "words_in_all",
    "kind_fits", "quote_score",    "names",         "names_together"};
using AnswerableFeatures = std::array<double, kAnswerableFeatureNames.size()>;
// Of a search with a quote.
AnswerableFeatures answerable_features(const SearchResult& search);

// 0 to 1; 0 where nothing was found, 1 where there is no quote to judge by.
double answerable(const SearchResult& search);

}  // namespace s3attn
