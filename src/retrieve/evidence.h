// Does the store say anything about this question at all? docs/evidence.md has the error rates.
#pragma once

#include <optional>
#include <string>

#include "retrieve/voice.h"
#include "s3attn/result.h"
#include "store/store.h"

namespace s3attn {

struct Evidence {
    bool found = true;
    double score = 0;             // best weighted mean cosine of any unit; 0 without S3 scores
    double floor = 0;             // what `score` was held against, missing words included
    double lexical_coverage = 0;  // see lexical_coverage()
};

// Lexical coverage from here on is evidence enough by itself.
inline constexpr double kEnoughCoverage = 0.6;

// The cosine asked of a question none of whose words occur is this much above the floor; it falls
// with the lexical coverage, to the floor itself for a question whose words are all there.
inline constexpr double kMissingWordsPenalty = 0.05;

// Found when the best unit's cosine reaches the adapter's floor, raised for the words that are
// missing, or when the lexical coverage is high. No voice may have a
// cosine (VoiceScores::cosine): then words alone decide, with a lower bar. A question without
// content words is never refused: nothing speaks against it.
// `words`: what the voice "bm25" said of this question, so that its pass is not made twice; null:
// it was not asked. With a filter, as if the store held no other units.
Result<Evidence> assess_evidence(const StoreReader& store, std::optional<double> cosine,
                                 const std::string& question, double floor,
                                 const VoiceScores* words = nullptr,
                                 const Filter& filter = Filter());

// Share of the question's content words, weighted by their IDF in the store, that occur in the
// best BM25 units taken together. A word that the store does not have weighs most. 1 when the
// question has no content words.
Result<double> lexical_coverage(const StoreReader& store, const std::string& question,
                                const VoiceScores* words = nullptr,
                                const Filter& filter = Filter());

}  // namespace s3attn
