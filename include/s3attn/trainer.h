// Makes a model's retrieval adapter from plain text, without labels: head selection by inverse
// cloze, means, one TopK sparse autoencoder per KV head, and the query side.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "s3attn/progress.h"
#include "s3attn/result.h"

namespace s3attn {

struct HeadId {
    uint32_t layer = 0;
    uint32_t query_head = 0;  // KV head = query_head / (n_head / n_head_kv)
};

struct TrainOptions {
    std::string model;                  // GGUF
    std::vector<std::string> corpus;    // plain text files or directories
    std::string out;                    // adapter directory, made; must not hold another adapter
    std::vector<HeadId> heads;          // empty: chosen by inverse cloze
    uint32_t n_heads = 8;               // how many to choose
    int32_t max_layer = -1;             // deepest layer that may be chosen; -1: a third of the depth
    uint32_t latents = 4096;            // dictionary size F
    uint32_t k = 8;                     // active latents per key
    uint32_t sae_steps = 1500;
    uint32_t sae_tokens = 400000;       // keys per head used for training
    uint32_t cloze_pairs = 1500;        // (sentence, paragraph) pairs of the inverse cloze
    uint32_t query_steps = 0;           // contrastive steps of the query side; 0: left at identity
    uint32_t seed = 1;
    uint32_t threads = 0;
    uint32_t chunk_tokens = 256;
    std::string cache_dir;
};

struct HeadReport {
    HeadId head;
    double recall_at_5 = 0, recall_at_10 = 0, recall_at_20 = 0;  // inverse cloze, this head alone
};
struct SaeReport {
    uint32_t layer = 0, kv_head = 0;
    double fvu = 0;         // fraction of variance unexplained, held-out keys
    double dead_share = 0;  // latents that no held-out key activates
    double densest = 0;     // share of held-out keys on which the most frequent latent fires
};
struct TrainReport {
    std::vector<HeadReport> ranking;  // every head tried, best first
    std::vector<HeadId> chosen;
    std::vector<SaeReport> saes;
    double recall_at_10 = 0;          // chosen heads together, with codes, held-out inverse cloze
    double evidence_floor = 0;
    double seconds = 0;
    uint64_t peak_rss_bytes = 0;
};

// Deterministic for a given seed, thread count and machine. kInvalidArgument when the corpus has
// too few paragraphs; kUnsupported when no head retrieves better than chance.
Result<TrainReport> train_adapter(const TrainOptions& options, ProgressSink& sink,
                                  const CancelToken& cancel);

}  // namespace s3attn
