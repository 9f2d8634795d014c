#include "train/pipeline.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <set>

#include "s3attn/reason.h"
#include "train/context_heads.h"
#include "train/heat_map.h"
#include "train/pipeline_parts.h"
#include "train/sae_measure.h"

namespace s3attn {
namespace {

constexpr uint32_t kFewestKeys = 100;

Error invalid(const char* option, const std::string& message) {
    return make_error(ErrorCode::kInvalidArgument, reason::kOption, option, message);
}

Status check_heads_exist(const TrainOptions& options, const ModelInfo& model) {
    std::set<HeadKey> seen;
    for (const HeadId& id : options.heads) {
        const std::string name =
            "head (" + std::to_string(id.layer) + "," + std::to_string(id.query_head) + ")";
        if (id.layer >= model.n_layer || id.query_head >= model.n_head) {
            return invalid("heads", name + " does not exist: " + model.name + " has layers 0 to " +
                                        std::to_string(model.n_layer - 1) + " with heads 0 to " +
                                        std::to_string(model.n_head - 1));
        }
        if (!seen.insert({id.layer, id.query_head}).second)
            return invalid("heads", name + " is named twice");
    }
    for (const HeadId& id : options.heads) {
        if (options.max_layer < 0 || id.layer <= static_cast<uint32_t>(options.max_layer)) continue;
        return invalid("heads,max_layer",
                       "head " + std::to_string(id.layer) + ":" + std::to_string(id.query_head) +
                           " is deeper than layer " + std::to_string(options.max_layer) +
                           ", the deepest to look at: leave one of the two out");
    }
    if (options.max_layer != kAllLayers &&
        options.max_layer >= static_cast<int32_t>(model.n_layer)) {
        return invalid("max_layer", "max layer " + std::to_string(options.max_layer) + ": " +
                                        model.name + " has layers 0 to " +
                                        std::to_string(model.n_layer - 1) +
                                        "; 'all' looks at all of them");
    }
    const uint32_t deepest = deepest_wanted_layer(options, model);
    const uint32_t there = (deepest + 1) * model.n_head;
    if (options.heads.empty() && options.n_heads > there) {
        return invalid("n_heads,max_layer", std::to_string(options.n_heads) +
                                                " heads are to be chosen, and "
                                                "layers 0 to " +
                                                std::to_string(deepest) + " of " + model.name +
                                                " have " + std::to_string(there) +
                                                ": choose fewer, or look deeper");
    }
    return options.context.heads > 0 ? check_context_options(options.context, model) : Status{};
}

// An adapter that these are true of is written all the same: whoever reads it should know.
std::vector<std::string> doubts(const TrainReport& report, const Calibration& trained,
                                uint32_t held_out) {
    std::vector<std::string> found;
    const auto number = [](double value) {
        char text[32];
        std::snprintf(text, sizeof text, "%.3f", value);
        return std::string(text);
    };
    for (const SaeReport& sae : report.saes) {
        if (sae.fvu < 1) continue;
        found.push_back("the autoencoder of layer " + std::to_string(sae.layer) + ", KV head " +
                        std::to_string(sae.kv_head) +
                        " rebuilds keys worse than their mean does "
                        "(FVU " +
                        number(sae.fvu) + "): more steps or keys, or fewer latents, would help");
    }
    const double n = std::max(1u, trained.recall.questions);
    const double chance = std::min(1.0, 10.0 / std::max(1u, held_out));
    if (trained.recall.at_10 <= chance + 2 * std::sqrt(chance * (1 - chance) / n)) {
        found.push_back("with its codes the adapter finds no more than chance would: R@10 " +
                        number(trained.recall.at_10) + " of " + std::to_string(held_out) +
                        " paragraphs, chance " + number(chance));
    }
    return found;
}

// What was asked for and is not there is said: the numbers that count are the record's.
void note_fewer(const TrainContext& context, const ClozeSplit& cloze) {
    const TrainOptions& options = context.options;
    if (cloze.pairs.size() < options.cloze_pairs) {
        context.sink.note("the corpus gives " + std::to_string(cloze.pairs.size()) + " of " +
                          std::to_string(options.cloze_pairs) +
                          " sentence and paragraph pairs");
    }
    const size_t for_training = cloze.pairs.size() - cloze.n_held_out;
    if (options.model_questions > for_training) {
        context.sink.note(std::to_string(for_training) + " of " +
                          std::to_string(options.model_questions) +
                          " questions can be written: there are no more "
                          "training paragraphs");
    }
}

// What a run needs only at its end is looked for before its beginning.
Status check_paths(const TrainOptions& options) {
    namespace fs = std::filesystem;
    std::error_code ignored;
    if (!options.sae_dir.empty() && !fs::is_directory(options.sae_dir, ignored)) {
        return make_error(ErrorCode::kNotFound, reason::kOption, "sae",
                          options.sae_dir + ": there is no such directory");
    }
    if (options.model_questions > 0 && !options.question_model.empty() &&
        !fs::exists(options.question_model, ignored)) {
        return make_error(ErrorCode::kNotFound, reason::kOption, "reader",
                          options.question_model + ", which is to write questions, is not there");
    }
    if (options.dump.empty()) return {};
    const fs::path folder = fs::path(options.dump).parent_path();
    if (!folder.empty() && !fs::is_directory(folder, ignored)) {
        return make_error(ErrorCode::kNotFound, reason::kOption, "dump",
                          options.dump + ": there is no folder " + folder.string());
    }
    if (fs::is_directory(options.dump, ignored)) {
        return invalid("dump", options.dump + " is a folder: name a file");
    }
    return {};
}

}  // namespace

Status check_train_options(const TrainOptions& options) {
    if (options.out.empty()) return invalid("out", "no output directory for the adapter");
    return check_without_output(options);
}

Status check_without_output(const TrainOptions& options) {
    if (options.model.empty()) return invalid("model", "no model to train for: name a GGUF file");
    if (options.corpus.empty())
        return invalid("corpus", "no corpus: name plain text files or directories");
    if (options.latents < 16 || options.latents > 65536) {
        return invalid("latents",
                       "latents must be 16 to 65536, not " + std::to_string(options.latents));
    }
    if (options.k < 1 || options.k > 64 || options.k > options.latents / 4) {
        return invalid("k", "k must be 1 to 64 and at most a quarter of the latents, not " +
                                std::to_string(options.k));
    }
    if (options.heads.empty() && options.n_heads == 0)
        return invalid("n_heads", "0 heads to choose");
    if (options.sae_steps == 0) return invalid("sae_steps", "0 steps for the autoencoders");
    if (options.cloze_pairs < kFewestPairs) {
        return invalid("cloze_pairs", std::to_string(options.cloze_pairs) +
                                          " cloze pairs are too few: at least " +
                                          std::to_string(kFewestPairs) +
                                          " are needed, some thousand are good");
    }
    S3ATTN_CHECK(check_paths(options));
    if (options.chunk_tokens == 0) return invalid("chunk_tokens", "chunks of 0 tokens");
    if (options.sae_tokens < kFewestKeys) {
        return invalid("sae_tokens", "at most " + std::to_string(options.sae_tokens) +
                                         " keys to train autoencoders on: at least " +
                                         std::to_string(kFewestKeys) + " are needed");
    }
    if (options.sae_dir.empty() && training_rows(options.sae_tokens) < options.latents) {
        return invalid("sae_tokens,latents",
                       "at most " + std::to_string(options.sae_tokens) + " keys are too few for " +
                           std::to_string(options.latents) +
                           " features: one in twenty is held out, and there must be a key "
                           "for each feature");
    }
    if (options.out.empty()) return {};
    std::error_code error;
    const std::filesystem::path out(options.out);
    if (std::filesystem::exists(out, error) &&
        !(std::filesystem::is_directory(out, error) && std::filesystem::is_empty(out, error))) {
        return invalid("out", options.out + " is there already: name a directory that is not");
    }
    return {};
}

uint32_t deepest_wanted_layer(const TrainOptions& options, const ModelInfo& model) {
    if (!options.heads.empty()) {
        uint32_t deepest = 0;
        for (const HeadId& id : options.heads) deepest = std::max(deepest, id.layer);
        return deepest;
    }
    if (options.max_layer == kAllLayers) return model.n_layer - 1;
    if (options.max_layer >= 0) return static_cast<uint32_t>(options.max_layer);
    return std::max(1u, model.n_layer / 3) - 1;  // the first third of the layers
}

Result<Prepared> prepare(TrainContext& context, const Corpus& corpus, StageClock& clock) {
    S3ATTN_CHECK(check_heads_exist(context.options, context.scanner.info()));
    Prepared prepared;
    S3ATTN_TRY(prepared.cloze, split_cloze(corpus, context.options));
    note_fewer(context, prepared.cloze);
    S3ATTN_TRY(prepared.chosen, choose_heads(context, prepared.cloze, prepared.held_out));
    clock.end("choose heads");
    if (context.options.model_questions > 0) {
        S3ATTN_TRY(prepared.model_questions, write_questions(context, prepared.cloze));
        clock.end("write questions");
    }
    S3ATTN_TRY(prepared.rows,
               capture_training_rows(context, corpus, prepared.cloze, prepared.chosen));
    clock.end("scan corpus");
    return prepared;
}

void describe_heads(const TrainContext& context, const ChosenHeads& chosen, TrainReport& report) {
    report.ranking = chosen.selection.ranking;
    report.dead = chosen.selection.dead;
    report.paragraphs = chosen.selection.paragraphs;
    report.trade_off = chosen.selection.trade_off;
    report.chosen = chosen.heads;
    report.heat_map =
        heads_svg(context.scanner.info().name, report.ranking, report.dead, report.chosen);
}

Result<TrainedAdapter> finish_adapter(TrainContext& context, const TrainOptions& options,
                                      const Corpus& corpus, Prepared& prepared, Adapter adapter,
                                      std::vector<SaeReport> saes, StageClock& clock) {
    TrainedAdapter result;
    result.adapter = std::move(adapter);
    S3ATTN_TRY(const QuerySide query, fit_query_side(context, corpus, prepared, result.adapter));
    clock.end("query side and calibration");
    if (!context.options.dump.empty()) {
        S3ATTN_CHECK(write_dump(context, result.adapter, prepared.held_out));
    }
    TrainReport& report = result.report;
    describe_heads(context, prepared.chosen, report);
    report.sae_keys = prepared.rows.text.counts;
    report.saes = std::move(saes);
    report.recall_at_10 = query.trained.recall.at_10;
    report.warnings = doubts(report, query.trained, prepared.cloze.n_held_out);
    for (const std::string& warning : report.warnings) context.sink.note("warning: " + warning);
    report.evidence_floor = result.adapter.evidence_floor;
    report.seconds = context.total_seconds();
    report.peak_rss_bytes = peak_rss_bytes();
    result.record = training_record(context, options, corpus, prepared, query, report);
    return result;
}

Result<TrainedAdapter> run_training(Scanner& scanner, const Corpus& corpus,
                                    const TrainOptions& options, ProgressSink& sink,
                                    const CancelToken& cancel, const QuestionWriter& writer) {
    TrainContext context{scanner, options, sink,  cancel, ThreadPool(options.threads),
                         {},      {},      writer};
    S3ATTN_CHECK(open_checkpoints(context));
    StageClock clock(context);
    S3ATTN_TRY(Prepared prepared, prepare(context, corpus, clock));
    Adapter adapter;
    std::vector<SaeReport> saes;
    S3ATTN_CHECK(fit_key_side(context, options, prepared.chosen, prepared.rows, prepared.held_out,
                              adapter, saes));
    clock.end("train SAEs");
    return finish_adapter(context, options, corpus, prepared, std::move(adapter), std::move(saes),
                          clock);
}

}  // namespace s3attn
