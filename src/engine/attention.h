// SearchOptions::attention: where the question's attention fell, and why each span was found.
#pragma once

#include <vector>

#include "adapter/adapter.h"
#include "adapter/codes.h"
#include "model/language_model.h"
#include "retrieve/rank.h"
#include "s3attn/result.h"
#include "s3attn/types.h"
#include "store/store.h"

namespace s3attn {

struct AttentionInput {
    const Tokenizer& tokenizer;
    const Adapter& adapter;
    const StoreReader& store;
    const Tokens& tokens;     // of the question
    const QueryCodes& codes;  // no heads when the method did not use them
    const S3Scores& scores;   // likewise empty
    const std::vector<ScoredUnit>& ranked;
    const SearchResult& result;  // question and spans
};
Result<Attention> describe_attention(const AttentionInput& input);

}  // namespace s3attn
