// The read path: question -> voices -> one ranking -> spans.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/adapter.h"
#include "model/language_model.h"
#include "retrieve/mix.h"
#include "retrieve/scan_cache.h"
#include "s3attn/result.h"
#include "s3attn/types.h"
#include "store/store.h"

namespace s3attn {

// Answers one question over one open store. `count_tokens` counts in the reader's tokens.
struct Searcher {
    Scanner& scanner;
    const Adapter& adapter;
    const StoreReader& store;
    uint32_t threads = 0;
    std::function<Result<uint32_t>(std::string_view)> count_tokens;
    ScanCache* cache = nullptr;           // of the store's blocks, between questions
    Filter filter = {};                   // what may be found
    std::vector<const Voice*> more = {};  // voices besides attention ("s3") and words ("bm25")
    SecondStage* second_stage = nullptr;  // behind fusion; null: none
    const CancelToken* cancel = nullptr;
    // A scanner of the same model with round_window() tokens, for rounds that read the question in
    // context. Null: `scanner`, however small its window.
    std::function<Result<std::shared_ptr<Scanner>>()> wide_scanner = nullptr;

    Result<SearchResult> search(const std::string& question, const SearchOptions& options) const;

    // The part of search() in front of the choice of spans: how good each unit is. With
    // options.rounds above 1 all but `units` and the times are the first round's.
    Result<Ranking> rank(const std::string& question, const SearchOptions& options) const;

  private:
    // With `before`, attention is that of the question read behind these passages.
    Result<Ranking> rank_once(const std::string& question, const SearchOptions& options,
                              const std::vector<std::string>& before = {}) const;
    Result<std::vector<std::string>> best_texts(const Ranking& ranking) const;
};

// Five passages and a question, or what the model was trained for; at least `chunk_tokens`.
uint32_t round_window(const ModelInfo& model, uint32_t chunk_tokens);

// What options.method names: "hybrid" is the weighted sum that the adapter was calibrated for.
Result<Mix> mix_of(const SearchOptions& options, const Adapter& adapter);

}  // namespace s3attn
