// Every method by name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "eval/json_text.h"
#include "eval/method.h"
#include "s3attn/engine.h"
#include "s3attn/types.h"

namespace s3attn::eval {

class SharedStage;  // the second stage's model, one question at a time
class ScanModel;    // the scanning model and its adapter, loaded when first needed

struct MethodContext {
    EngineOptions engine;                // model, adapter, cache
    std::string embedder;                // GGUF of the dense baseline
    SearchOptions search;                // scoring, max_features and rounds of s3 and hybrid
    uint64_t seed = 0;                   // of random choices and random codes
    uint32_t ranker_threads = 1;         // threads of one ranker
    uint32_t memory_mib = 256;           // most memory of a ranker's caches and of an index builder
    uint32_t rerank = 20;                // units that "context(METHOD)" reads again
    std::string rerank_model;            // GGUF that reads them; empty: the reader, or the model
    std::string rerank_adapter;          // its adapter; empty: the one that fits it
    std::shared_ptr<SharedStage> stage;  // filled by make_method()
    std::shared_ptr<ScanModel> model;    // filled by make_methods(); shared by all methods
};

// As `--scoring` names it.
const char* scoring_name(Scoring scoring);
const char* round_query_name(RoundQuery query);

// The names that stand alone: "bm25", "dense", "s3", "hybrid", "int4", "random-codes", "layer0",
// "lead", "tail", "random".
const std::vector<std::string>& method_names();

// "bm25", "layer0:3", "rrf(bm25,dense)", "sum(s3:4,bm25:1)", "context(hybrid)"; nested up to 16
// deep. kInvalidArgument says which part is not understood.
Result<std::unique_ptr<Method>> make_method(const std::string& spec, MethodContext& context);

// kInvalidArgument for a method or a budget that is named twice: rows are told apart by them.
Status check_lists(const std::vector<std::string>& methods, const std::vector<uint32_t>& budgets);

// Whether a method, or a part of one, begins with one of these names ("dense" of
// "rrf(bm25,dense:2)" and of "dense-rerank").
bool any_uses(const std::vector<std::string>& methods,
              std::initializer_list<std::string_view> names);

// Hash of the embedder's file where a method uses it, else null: another embedder, other rows.
Result<Json> embedder_hash(const std::vector<std::string>& methods, const MethodContext& context);

// Splits "bm25,rrf(bm25,dense)" at the commas outside parentheses.
std::vector<std::string> split_methods(const std::string& list);

// One collection under one run's index directory, made ready for every method asked of it.
// `directory`/<collection id>/units and `directory`/<collection id>/<index name of the method>.
std::string units_directory(const std::string& directory, const Collection& collection);
std::string index_directory(const std::string& directory, const Collection& collection);

// How many positions a text takes for the scanning model (its tokenizer alone is loaded).
Result<CountTokens> scan_counter(MethodContext& context);
// Counts in the tokens of the reader (or, without one, of the scanning model).
Result<CountTokens> reader_counter(const EngineOptions& engine);

}  // namespace s3attn::eval
