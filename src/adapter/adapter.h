// A model's retrieval adapter: chosen heads, means, one TopK SAE per KV head, the query side.
// Source: docs/training.md; SAE as in S3-Attention (arXiv 2601.17702, Eq. 2-3).
//
// Key side, per KV head slot g:    k^ = unit(k - mean_k),   z = TopK(ReLU(W_enc k^ + b_enc)),
//                                  stored a_f = z_f / |sum_f z_f d_f|   (d_f: unit decoder rows)
// Query side, per query head j:    q^ = unit(M_j unit(q - mean_q) + b_j),   w_f = q^ . d_f
// Immutable after loading, so safe to share between threads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "adapter/codes.h"
#include "s3attn/result.h"

namespace s3attn {

constexpr uint32_t kMaxActive = 256;  // most active latents per key that are supported

struct SparseAutoencoder {
    uint32_t d_in = 0, latents = 0, k = 0;
    std::vector<float> w_enc;  // [d_in][latents]
    std::vector<float> b_enc;  // [latents]
    std::vector<float> w_dec;  // [latents][d_in], unit rows
    std::vector<float> b_dec;  // [d_in], subtracted from the input and added to the output
};

struct KeySlot {
    uint32_t layer = 0, kv_head = 0;
    std::vector<float> mean_key;  // [d_head]
    SparseAutoencoder sae;
    std::vector<float>
        mean_activation;  // [latents] of stored activations over corpus keys (0: dead)
};

struct QueryHead {
    uint32_t layer = 0, query_head = 0;
    uint32_t slot = 0;              // index into Adapter::slots
    std::vector<float> mean_query;  // [d_head]
    std::vector<float> map;         // M_j, [d_head][d_head], row-major, out = M in; empty: identity
    std::vector<float> bias;        // b_j, [d_head]; empty: zero
    std::vector<float>
        token_weight;  // u_j, [d_head]: token importance exp(u_j . unit(q - mean)); empty: equal
    float temperature = 16.0f;
    float mixture = 1.0f;  // softmaxed share, sums to 1
};

// Heads of the second stage: those whose attention in context tells which of some passages answers
// a question (docs/retrieval.md). They need no autoencoder and nothing of the index.
struct ContextHeads {
    struct Head {
        uint32_t layer = 0, query_head = 0;
    };
    std::vector<Head> heads;    // best first; empty: the adapter has none
    bool share = true;          // each question token's attention to any unit sums to 1
    float first_weight = 0.5f;  // of the first stage's z-scored score
    uint32_t deepest_layer() const;
};

// How much the model's attention weighs against shared words, for each question anew: the logit of
// its share of their sum is bias + the sum of weight x (value - mean) / spread over the features.
// retrieve/fusion.h computes the values; docs/retrieval.md says what they are.
struct FusionModel {
    struct Feature {
        std::string name;
        double mean = 0, spread = 1, weight = 0;
    };
    double bias = 0;
    std::vector<Feature> features;  // empty: there is no model, hybrid_s3_weight holds always
};

struct Adapter {
    std::string name;  // directory name
    std::string model_name, model_hash, tokenizer_hash, architecture;
    std::string model_identity;  // ModelInfo::identity; empty in adapters of older programs
    uint32_t n_layer = 0, n_head = 0, n_head_kv = 0, d_head = 0;
    uint32_t latents = 0, k = 0;
    float activation_scale = 1.0f / 200;  // stored byte * scale = activation
    float hybrid_s3_weight = 4.0f;        // of min-max fusion with BM25
    FusionModel fusion;
    double evidence_floor = 0;            // see retrieve/evidence.h
    std::string key_side_hash;            // XXH3-128 over everything the index depends on
    std::vector<KeySlot> slots;           // ascending (layer, kv_head)
    std::vector<QueryHead> heads;         // best first
    ContextHeads context;
    std::string training_record;  // JSON, verbatim from adapter.json

    std::vector<uint32_t> key_layers() const;    // ascending, distinct
    std::vector<uint32_t> query_layers() const;  // ascending, distinct
    uint32_t deepest_layer() const;
};

// Sizes, ranges, order of slots, heads' slots, finiteness. kInvalidArgument naming the field.
Status validate_adapter(const Adapter& adapter);

// XXH3-128 over the slots (layer, KV head, mean key, SAE weights as stored, k) and the activation
// scale: what a stored code depends on, and nothing of the query side.
std::string compute_key_side_hash(const Adapter& adapter);

// SAE weights are stored as F16. Rounds them to that in memory and sets key_side_hash, so that
// codes made before a save equal codes made after a load.
void round_to_stored_precision(Adapter& adapter);

// Reads adapter.json and what it names below `directory`. kCorrupt names the file and the field or
// tensor that is missing, damaged or of another shape.
Result<Adapter> load_adapter(const std::string& directory);
// Writes atomically (a temporary sibling directory, then rename). An empty directory and an older
// adapter are replaced; kInvalidArgument if `directory` holds anything else. `more`: files (name,
// bytes) to put beside it, which load_adapter() does not look at.
Status save_adapter(const Adapter& adapter, const std::string& directory,
                    const std::vector<std::pair<std::string, std::string>>& more = {});

}  // namespace s3attn
