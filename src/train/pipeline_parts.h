// The stages of run_training() and what they hand to each other.
#pragma once

#include <string>
#include <vector>

#include "base/parallel.h"
#include "base/timing.h"
#include "train/calibrate.h"
#include "train/capture.h"
#include "train/checkpoint.h"
#include "train/corpus.h"
#include "train/head_selection.h"
#include "train/pipeline.h"
#include "train/query_trainer.h"
#include "train/sae_trainer.h"

namespace s3attn {

struct StageSeconds {
    std::string stage;
    double seconds = 0;
};

// What rows are called: in progress reports, and in the name of their checkpoint.
struct RowsName {
    std::string stage, part;
};

// What every stage needs.
struct TrainContext {
    Scanner& scanner;
    const TrainOptions& options;
    ProgressSink& sink;
    const CancelToken& cancel;
    ThreadPool pool;
    Checkpoints checkpoints;
    std::vector<StageSeconds> seconds;
    const QuestionWriter& writer;

    uint32_t group() const { return scanner.info().n_head / scanner.info().n_head_kv; }
    // A progress callback that counts tokens of `stage`.
    OnTokens token_progress(const std::string& stage, const std::string& item = {}) const;
    // What every part of this run depends on.
    Origin origin() const;
    // Rows of `heads` over `text` into `out`: those already there, then those of an earlier run,
    // the rest by scanning. All are kept for a later run.
    Status rows_of(const TokenText& text, const std::vector<HeadKey>& heads, Projection projection,
                   const RowsName& name, RowStore& out);
    double total_seconds() const;
};
std::string hash_of(const TokenText& text);
std::string name_of(const HeadKey& key);  // "L5-H2"

// Paragraphs with a question each that a run needs at least.
constexpr uint32_t kFewestPairs = 100;

// Paragraphs with a question each; the first `n_held_out` are never trained on.
struct ClozeSplit {
    std::vector<ClozePair> pairs;
    uint32_t n_held_out = 0;
};
Result<ClozeSplit> split_cloze(const Corpus& corpus, const TrainOptions& options);

// The held-out paragraphs and questions, and the heads chosen on them.
struct HeldOut {
    TokenText paragraphs, questions;
    RowStore keys, queries;  // of the chosen heads and their KV heads
};
struct ChosenHeads {
    Selection selection;
    uint32_t deepest = 0;                  // layer that may be chosen
    std::vector<HeadId> heads;             // best first
    std::vector<HeadKey> slots;            // ascending, distinct KV heads
    std::vector<HeadKey> as_keys() const;  // heads as (layer, query head)
};
Result<ChosenHeads> choose_heads(TrainContext& context, const ClozeSplit& cloze, HeldOut& held_out);

// Replaces the sentences of the first options.model_questions training pairs by questions that the
// model writes to their paragraphs; a pair to which it writes none keeps its sentence. The number
// of questions written.
Result<uint32_t> write_questions(TrainContext& context, ClozeSplit& cloze);

// What the autoencoders are trained on, and the rest of what the query side needs.
struct TrainingText {
    // At most options.sae_tokens tokens, in the mixture that the corpus has: paragraphs of training
    // pairs, further paragraphs, and other text (no more than a third), shuffled.
    TokenText sae;
    SaeKeyCounts counts;  // tokens of `sae` by kind
    // Paragraphs of training pairs that are not, or not wholly, among them.
    TokenText more;
    std::vector<uint32_t> span_of;  // training pair -> its span in `sae`, or behind those in `more`
};
Result<TrainingText> training_text(const Corpus& corpus, const ClozeSplit& cloze,
                                   const Tokenizer& tokenizer, const TrainOptions& options);

// Keys and queries that are trained on.
struct TrainingRows {
    TrainingText text;
    TokenText questions;
    RowStore keys;       // of text.sae: all that the key side depends on
    RowStore more_keys;  // of text.more; empty where the query side is not trained
    RowStore queries;
};
Result<TrainingRows> capture_training_rows(TrainContext& context, const Corpus& corpus,
                                           const ClozeSplit& cloze, const ChosenHeads& chosen);

// Slots (means and SAEs) and untrained heads of the adapter; dictionary and k are those of
// `options`, which need not be the context's.
Status fit_key_side(TrainContext& context, const TrainOptions& options, const ChosenHeads& chosen,
                    const TrainingRows& rows, const HeldOut& held_out, Adapter& adapter,
                    std::vector<SaeReport>& reports);

// Everything that comes before an autoencoder: the same for all of a sweep.
struct Prepared {
    ClozeSplit cloze;
    HeldOut held_out;
    ChosenHeads chosen;
    TrainingRows rows;
    uint32_t model_questions = 0;  // among the training pairs
};
// Seconds of a stage, added to those of earlier runs.
class StageClock {
  public:
    explicit StageClock(TrainContext& context);
    void end(const std::string& stage);

  private:
    TrainContext& context_;
    Stopwatch watch_;
};
// Takes up what an earlier run left in options.work, if that is named.
Status open_checkpoints(TrainContext& context);
Result<Prepared> prepare(TrainContext& context, const Corpus& corpus, StageClock& clock);
// The query side, the report and the record of an adapter with a finished key side.
Result<TrainedAdapter> finish_adapter(TrainContext& context, const TrainOptions& options,
                                      const Corpus& corpus, Prepared& prepared, Adapter adapter,
                                      std::vector<SaeReport> saes, StageClock& clock);
void describe_heads(const TrainContext& context, const ChosenHeads& chosen, TrainReport& report);

// A set for scoring: keys as the index would hold them.
RetrievalSet held_out_set(const Adapter& adapter, const HeldOut& held_out, uint32_t threads);

struct QuerySide {
    std::vector<QueryHeadParams> params;
    QueryTrainResult training;
    Calibration untrained, trained;
};
// Trains the heads' query side (query_steps > 0), writes it and the floor into the adapter.
// Consumes the training keys.
Result<QuerySide> fit_query_side(TrainContext& context, const Corpus& corpus, Prepared& prepared,
                                 Adapter& adapter);

// Writes options.dump; docs/formats/adapter.md describes it.
Status write_dump(const TrainContext& context, const Adapter& adapter, const HeldOut& held_out);

std::string training_record(const TrainContext& context, const TrainOptions& options,
                            const Corpus& corpus, const Prepared& prepared, const QuerySide& query,
                            const TrainReport& report);
// The command that repeats a run, with file names only.
std::string command_line(const TrainOptions& options);

}  // namespace s3attn
