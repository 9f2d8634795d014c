// Probe: what passes inside. Keys and queries as the model makes them, their sparse codes, a
// question's weights, and every lane's scores; for those who study retrieval rather than use it.
//
//   auto probe = Probe::open(options);            // as Engine::open
//   auto codes = (*probe)->codes("some text");    // what the index would hold of it
//
// Arrays are dense and row-major; shapes are given as [rows][columns]. Token t of a text covers its
// bytes [begin[t], begin[t + 1]). A lane is one question token of one query head.
//
// Threads: any number may call one Probe; the model's forward passes wait for each other.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "s3attn/engine.h"
#include "s3attn/progress.h"
#include "s3attn/result.h"
#include "s3attn/store.h"
#include "s3attn/types.h"

#pragma GCC visibility push(default)  // the shared library hides all else
namespace s3attn {

// A KV head that has a sparse autoencoder, and a query head that reads its codes.
struct ProbeSlot {
    uint32_t layer = 0, kv_head = 0;
};
struct ProbeHead {
    uint32_t layer = 0, query_head = 0;
    uint32_t slot = 0;       // into ProbeInfo::slots
    double temperature = 0;  // of its softmax over units
    double mixture = 0;      // its share of the score; all sum to 1
};
struct ProbeInfo {
    std::string model, model_hash, architecture;  // file name, XXH3-128 of the file
    std::string adapter;                          // name
    uint32_t n_layer = 0, n_head = 0, n_head_kv = 0, d_head = 0;
    uint32_t chunk_tokens = 0;    // texts are read in independent windows of so many tokens
    uint32_t latents = 0, k = 0;  // of each autoencoder; most active ones a key
    double activation_scale = 0;  // activation = stored byte * this
    std::vector<ProbeSlot> slots;
    std::vector<ProbeHead> heads;
};

struct TokenizedText {
    std::vector<int32_t> ids;     // [tokens]
    std::vector<uint64_t> begin;  // [tokens + 1] byte offsets
};

// Sparse codes of rows of every slot: `feature` and `activation` are [rows][slots][k]. Features
// ascend; an entry of activation 0 is padding.
struct SparseCodes {
    uint32_t rows = 0, slots = 0, k = 0;
    std::vector<uint16_t> feature;
    std::vector<uint8_t> activation;
};
struct TextCodes {
    TokenizedText text;
    SparseCodes codes;  // rows are tokens
};

// Vectors before RoPE: `rows` is [heads][tokens][d_head].
struct CapturedRows {
    TokenizedText text;
    std::vector<std::pair<uint32_t, uint32_t>> heads;  // (layer, head)
    uint32_t d_head = 0;
    std::vector<float> rows;
};

// What a question asks of the index. A lane's score of a token is the sum over features of weight
// times stored activation.
struct QuestionWeights {
    TokenizedText text;
    uint32_t heads = 0, latents = 0;
    std::vector<float> weight;  // [heads][latents][tokens], per unit of stored activation
    std::vector<float> share;   // [heads][tokens], each head's sum to 1
};

// A whole store under one question, before and after attention's softmax over units:
// share of unit u in lane l = exp(temperature * score[u][l] - log_total[l]).
struct LaneScores {
    TokenizedText text;  // the question
    uint32_t heads = 0;
    std::vector<UnitId> units;          // [units], in order of document and place
    std::vector<DocumentId> documents;  // [units]
    std::vector<uint64_t> begin, end;   // [units] bytes in the document
    std::vector<float> score;           // [units][heads][tokens], best cosine of the unit's tokens
    std::vector<double> log_total;      // [heads][tokens]
    std::vector<double> mass;           // [units], sums to 1: the voice "s3"
};

class Probe {
  public:
    // Reads the model's header and the adapter; weights are loaded by the first call that needs
    // them. Fails as Engine::open() does.
    static Result<std::unique_ptr<Probe>> open(const EngineOptions& options);
    virtual ~Probe() = default;

    virtual const ProbeInfo& info() const = 0;

    virtual Result<TokenizedText> tokenize(std::string_view text, const CancelToken* cancel) = 0;
    // What `index` would store of this text, were it a document's beginning.
    virtual Result<TextCodes> codes(std::string_view text, const CancelToken* cancel) = 0;
    // `heads`: (layer, KV head), any of the model, also beyond the adapter's. Deeper layers than
    // the adapter's open the model anew, once. kInvalidArgument names a head that is not there.
    virtual Result<CapturedRows> keys(std::string_view text,
                                      const std::vector<std::pair<uint32_t, uint32_t>>& heads,
                                      const CancelToken* cancel) = 0;
    // `heads`: (layer, query head).
    virtual Result<CapturedRows> queries(std::string_view text,
                                         const std::vector<std::pair<uint32_t, uint32_t>>& heads,
                                         const CancelToken* cancel) = 0;

    // One slot's autoencoder by itself. `rows`: keys, [n][d_head]; the result has one slot.
    virtual Result<SparseCodes> encode(uint32_t slot, const std::vector<float>& rows) const = 0;
    // [n][d_head]: the sum of activation * scale * decoder row, which is what scoring sees of a
    // key: a unit vector, the direction of the key from the slot's mean. `codes` has one slot.
    virtual Result<std::vector<float>> decode(uint32_t slot, const SparseCodes& codes) const = 0;

    virtual Result<QuestionWeights> query_weights(const std::string& question,
                                                  const CancelToken* cancel) = 0;
    // Memory is O(units x lanes). kMismatch for a store of another model or adapter.
    virtual Result<LaneScores> lane_scores(const Store& store, const std::string& question,
                                           const CancelToken* cancel) = 0;
};

}  // namespace s3attn
#pragma GCC visibility pop
