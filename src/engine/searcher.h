// The read path: question -> queries -> feature weights -> units -> spans.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "adapter/adapter.h"
#include "model/language_model.h"
#include "retrieve/scan_cache.h"
#include "s3attn/result.h"
#include "s3attn/types.h"
#include "store/store.h"

namespace s3attn {

inline constexpr uint32_t kMaxQuestionTokens = 2048;

// Answers one question over one open store. `count_tokens` counts in the reader's tokens.
struct Searcher {
    Scanner& scanner;
    const Adapter& adapter;
    const StoreReader& store;
    uint32_t threads = 0;
    std::function<Result<uint32_t>(std::string_view)> count_tokens;
    ScanCache* cache = nullptr;  // of the store's blocks, between questions

    Result<SearchResult> search(const std::string& question, const SearchOptions& options) const;

    // Weights of every adapter head for the question's tokens. A question longer than a chunk is
    // read in several independent windows.
    Result<QueryCodes> encode_question(const Tokens& tokens, Scoring scoring) const;
};

}  // namespace s3attn
