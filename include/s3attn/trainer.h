// Makes a model's retrieval adapter from plain text, without labels: head selection by inverse
// cloze, means, one TopK sparse autoencoder per KV head, and the query side.
#pragma once

#include <cstdint>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "s3attn/progress.h"
#include "s3attn/result.h"
#include "s3attn/types.h"

#pragma GCC visibility push(default)  // the shared library hides all else
namespace s3attn {

struct HeadId {
    uint32_t layer = 0;
    uint32_t query_head = 0;  // KV head = query_head / (n_head / n_head_kv)
};

constexpr int32_t kAllLayers = INT32_MAX;

// How the heads to use are picked from the ranking.
enum class HeadChoice {
    kRecall,    // the best n_heads at max_layer or below
    kPerLayer,  // likewise, but the scan stops at the layer with the best recall per layer scanned
};

// Which paragraphs a training question must be told from, besides those of other questions and
// random ones.
enum class Negatives {
    kRandom,    // nothing more
    kBm25,      // paragraphs that share its words
    kDocument,  // others of the same file, at most 20 paragraphs away
    kAdjacent,  // those right before and after its own
};
const char* name_of(Negatives negatives);  // "random", "bm25", "document", "adjacent"

// The choice of the second stage's heads: inverse cloze in context. A sentence stands behind the
// unit it was cut from and others like it; a good head looks at that unit.
struct ContextHeadOptions {
    uint32_t heads = 0;          // to choose; 0: none, the adapter has no second stage
    uint32_t questions = 64;     // sentences
    uint32_t units = 20;         // in a context, the sentence's own among them
    int32_t max_layer = -1;      // deepest layer that may be chosen; -1: two thirds of the depth
    bool keep_sentence = false;  // leave the sentence in its unit
};

struct TrainOptions {
    std::string model;                // GGUF
    std::vector<std::string> corpus;  // plain text files or directories
    std::string out;                  // adapter directory, made; must not hold another adapter
    std::vector<HeadId> heads;        // empty: chosen by inverse cloze
    uint32_t n_heads = 8;             // how many to choose
    int32_t max_layer = -1;           // deepest layer that may be chosen; -1: a third of the depth
    HeadChoice choice = HeadChoice::kRecall;
    uint32_t latents = 4096;       // dictionary size F
    uint32_t k = 8;                // active latents per key, 1 to 64
    uint32_t sae_steps = 1500;     // at most; see sae_patience
    uint32_t sae_patience = 3;     // checks without progress before a SAE stops; 0: never
    std::string sae_dir;           // trained SAEs to use instead, one folder per KV head
    uint32_t sae_tokens = 400000;  // most keys per head that its autoencoder is trained on
    uint32_t cloze_pairs = 4000;   // (sentence, paragraph) pairs of the inverse cloze
    uint32_t query_steps = 500;    // contrastive steps of the query side; 0: left at identity
    Negatives negatives = Negatives::kRandom;
    uint32_t model_questions = 0;  // training pairs whose sentence the model replaces by a question
    std::string question_model;    // GGUF that writes them; empty: `model` itself
    ContextHeadOptions context;
    uint32_t seed = 1;
    uint32_t threads = 0;
    Device device = Device::kAuto;  // of the scan and the autoencoders' training
    uint32_t chunk_tokens = 256;
    std::string cache_dir;
    std::string work;        // finished parts of a run; empty: out + ".partial"
    bool keep_work = false;  // leave them there: a run with another query side starts from them
    // NumPy archive of the held-out keys, queries and codes to write (docs/formats/adapter.md);
    // empty: none.
    std::string dump;
};

struct HeadReport {
    HeadId head;
    double recall_at_5 = 0, recall_at_10 = 0, recall_at_20 = 0;  // inverse cloze, this head alone
    uint32_t questions = 0;  // that it answered; the best heads answer more
};
struct DeadHead {
    HeadId head;
    std::string why;
};
// What the best n_heads heads do together when the scan stops at this layer.
struct StopLayerReport {
    uint32_t layer = 0;
    std::vector<HeadId> heads;                                   // best first
    double recall_at_5 = 0, recall_at_10 = 0, recall_at_20 = 0;  // exact keys, untrained queries
    double share_scanned = 0;                                    // of the network's layers
};

// Upper edges of the bins of SaeReport::frequency; the last bin has none.
constexpr double kFrequencyEdges[] = {0, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1};
constexpr size_t kFrequencyBins = std::size(kFrequencyEdges) + 1;

struct SaeReport {
    uint32_t layer = 0, kv_head = 0;
    double fvu = 0;         // fraction of variance unexplained, held-out keys
    double dead_share = 0;  // latents that no held-out key activates
    double densest = 0;     // share of held-out keys on which the most frequent latent fires
    uint32_t densest_latent = 0;
    // Latents by the share of all keys that activate them: bin i holds those up to edge i; bin 0
    // the latents that never fire.
    std::vector<uint32_t> frequency;
    double bytes_per_token = 0;           // of the index, estimated from the frequencies
    double key_mean = 0, key_spread = 0;  // RMS per dimension of the mean key, and about it
    uint32_t steps = 0;                   // done
    bool stopped_early = false;           // the held-out FVU no longer fell
    std::vector<std::pair<uint32_t, double>> held_out;  // (step, FVU) while training
};
// Of one head, or of the chosen ones together: the mean reciprocal rank of the sentence's own unit.
struct ContextHeadRank {
    HeadId head;
    double share = 0;  // by the share of what falls on any unit
    double raw = 0;    // by the attention itself
};
struct ContextHeadReport {
    std::vector<ContextHeadRank> ranking;  // best first
    std::vector<HeadId> chosen;
    bool by_share = true;      // which of the two the chosen heads are used with
    ContextHeadRank together;  // the chosen heads, z-scored and summed
    double chance = 0;
    uint32_t questions = 0, units = 0;
    double mean_tokens = 0;  // of a context
    double seconds = 0;
};

// Keys per head that the autoencoders were trained on and measured with, by the text they are of.
// Other text (code, lists) is as large a share as in the corpus, at most a third, whatever
// TrainOptions::sae_tokens is.
struct SaeKeyCounts {
    uint64_t pairs = 0;       // paragraphs of training pairs
    uint64_t paragraphs = 0;  // further paragraphs
    uint64_t other = 0;       // other text
    uint64_t total() const { return pairs + paragraphs + other; }
};

struct TrainReport {
    std::vector<HeadReport> ranking;         // every head tried, best first
    std::vector<DeadHead> dead;              // heads that cannot be used
    uint32_t paragraphs = 0;                 // that each head ranked
    std::vector<StopLayerReport> trade_off;  // by stop layer, ascending
    std::vector<HeadId> chosen;
    SaeKeyCounts sae_keys;
    std::vector<SaeReport> saes;
    std::vector<std::string> warnings;  // what makes the adapter doubtful, by name
    double recall_at_10 = 0;            // chosen heads together, with codes, held-out inverse cloze
    double evidence_floor = 0;
    ContextHeadReport context;  // empty without a second stage
    double seconds = 0;         // of all runs that it took
    uint64_t peak_rss_bytes = 0;
    std::string heat_map;  // SVG: recall of every head, layers by heads
};

// Deterministic for a given seed, thread count and machine. kInvalidArgument when the corpus has
// too few paragraphs; kUnsupported when no head retrieves better than chance. A run that was killed
// or cancelled goes on after its last finished part when it is called again with the same options.
Result<TrainReport> train_adapter(const TrainOptions& options, ProgressSink& sink,
                                  const CancelToken& cancel);

// Chooses context heads for the adapter in `adapter` (of options.model, from options.corpus, as
// options.context says) and writes it with them to options.out; with an empty one, in its place.
// All else of the adapter stays as it is: no index becomes stale.
Result<ContextHeadReport> add_context_heads(const std::string& adapter, const TrainOptions& options,
                                            ProgressSink& sink, const CancelToken& cancel);

// Every combination of these on the same heads and keys.
struct SweepOptions {
    std::vector<uint32_t> k, latents;  // empty: the one of TrainOptions
};
struct Recall3 {
    double at_5 = 0, at_10 = 0, at_20 = 0;
};
// A mean over questions with its bootstrap 95 % interval.
struct MeanInterval {
    double mean = 0, low = 0, high = 0;
};
struct SweepRow {
    uint32_t k = 0, latents = 0;
    double fvu = 0, dead_share = 0;  // means over the KV heads
    double bytes_per_token = 0;      // of the index, all KV heads, estimated
    double recall_at_5 = 0, recall_at_10 = 0, recall_at_20 = 0;  // held-out inverse cloze, codes
    MeanInterval recall;                                         // mean of the three, which decides
    MeanInterval to_best;  // its difference to the best row's, question by question
    uint32_t questions = 0;
    double seconds = 0;
};
struct SweepReport {
    std::vector<SweepRow> rows;  // in the order of the options
    size_t best = 0;             // row with the best mean recall; the smaller index among equals
    Recall3 exact;               // the same questions with exact keys
    TrainReport train;  // ranking, trade-off and heads; with `out` of the best row's adapter
};
// With an empty TrainOptions::out no adapter is written (`work` must then be given to resume);
// otherwise the best row's is, its query side trained as the options say.
Result<SweepReport> sweep_training(const TrainOptions& options, const SweepOptions& sweep,
                                   ProgressSink& sink, const CancelToken& cancel);

}  // namespace s3attn
#pragma GCC visibility pop
