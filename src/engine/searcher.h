// The read path: question -> queries -> feature weights -> units -> spans.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/adapter.h"
#include "model/language_model.h"
#include "retrieve/rank.h"
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

    // The part of search() in front of the choice of spans: how good each unit is.
    struct Ranking {
        Tokens tokens;                  // of the question
        QueryCodes codes;               // no heads when the method does not use them
        S3Scores scores;                // empty likewise
        std::vector<ScoredUnit> units;  // best first
        std::map<std::string, double> timings_ms;
    };
    Result<Ranking> rank(const std::string& question, const SearchOptions& options) const;
    // Its first round. rank() adds options.rounds - 1 others; all but `units` and the times stay
    // the first round's.
    Result<Ranking> rank_once(const std::string& question, const SearchOptions& options) const;

    // Weights of every adapter head for the question's tokens. A question longer than a chunk is
    // read in several independent windows.
    Result<QueryCodes> encode_question(const Tokens& tokens, Scoring scoring) const;
};

}  // namespace s3attn
