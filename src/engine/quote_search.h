// SearchOptions::quote: what attention and words say of each sentence of the spans found, and the
// one to quote.
#pragma once

#include <vector>

#include "answer/quote.h"
#include "engine/attention.h"

namespace s3attn {

struct QuoteCandidates {
    std::vector<EvidenceSentence> sentences;
    std::vector<QuoteFeatures> features;
    bool attention = false;  // the index was asked for it
};
// `result` has its spans.
Result<QuoteCandidates> quote_candidates(const TraceInput& input, const SearchResult& result);
Result<Quote> find_quote(const TraceInput& input, const SearchResult& result);

}  // namespace s3attn
