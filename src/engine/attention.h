// SearchOptions::attention: where the question's attention fell, and why each span was found.
#pragma once

#include <vector>

#include "adapter/adapter.h"
#include "model/language_model.h"
#include "retrieve/mix.h"
#include "s3attn/result.h"
#include "s3attn/types.h"
#include "store/store.h"

namespace s3attn {

// What a search leaves behind for those who ask how it went.
struct TraceInput {
    const Tokenizer& tokenizer;
    const Adapter& adapter;
    const StoreReader& store;
    const Tokens& tokens;  // of the question
    const Ranking& ranking;
    const std::vector<UnitNumber>& selected;  // of each span of the result
    const Filter& filter;
};
Result<Attention> describe_attention(const TraceInput& input, const SearchResult& result);

// The question's tokens as it was cut.
std::vector<std::string> token_texts(const Tokens& tokens, const std::string& question);

}  // namespace s3attn
