// How a question's attention falls on the sentences of units, from the index's codes.
#pragma once

#include <cstdint>
#include <vector>

#include "adapter/codes.h"
#include "s3attn/result.h"
#include "store/store.h"

namespace s3attn {

struct UnitSentences {
    UnitExtent unit;
    // Of each of the unit's tokens: the number of its sentence, or kNoSentence. Tokens behind the
    // end of the list belong to none.
    std::vector<uint32_t> sentence_of;
    uint32_t n_sentences = 0;
};
inline constexpr uint32_t kNoSentence = UINT32_MAX;

struct SentenceAttention {
    double mass = 0;    // S3Scores::mass, were the sentence a unit beside the others
    double cosine = 0;  // S3Scores::cosine likewise
};

// [unit][sentence]. `log_total` is S3Scores::log_total of this store and query. Each block that the
// units touch is decoded once a slot.
Result<std::vector<std::vector<SentenceAttention>>> attend_sentences(
    const StoreReader& store, const QueryCodes& query, const std::vector<double>& log_total,
    const std::vector<UnitSentences>& units);

}  // namespace s3attn
