// --explain: what passed along each arrow of a search, one JSON object per line.
#pragma once

#include <string>
#include <vector>

#include "adapter/adapter.h"
#include "adapter/codes.h"
#include "model/language_model.h"
#include "retrieve/evidence.h"
#include "retrieve/rank.h"
#include "s3attn/types.h"

namespace s3attn {

struct ExplainInput {
    const Tokenizer& tokenizer;
    const Adapter& adapter;
    const std::string& question;
    const Tokens& tokens;
    const QueryCodes& codes;  // no heads when the method did not use them
    const std::vector<ScoredUnit>& ranked;
    const Evidence& evidence;
    const SearchResult& result;
};
std::vector<std::string> explain_search(const ExplainInput& input);

}  // namespace s3attn
