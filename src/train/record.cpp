// The training record of adapter.json: how this adapter came to be and what was measured.
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "train/pipeline_parts.h"

namespace s3attn {
namespace {

using Json = nlohmann::ordered_json;

double rounded(double value) { return std::round(value * 1e5) / 1e5; }

// Names without directories: the record travels with the adapter.
std::string base_name(const std::string& path) {
    const std::filesystem::path p = std::filesystem::path(path).lexically_normal();
    return (p.has_filename() ? p : p.parent_path()).filename().string();
}

Json recall_json(const Recall& recall) {
    return {{"r5", rounded(recall.at_5)},
            {"r10", rounded(recall.at_10)},
            {"r20", rounded(recall.at_20)},
            {"questions", recall.questions}};
}

Json calibration_json(const Calibration& c) {
    Json present = Json::array(), absent = Json::array();
    for (double q : c.present) present.push_back(rounded(q));
    for (double q : c.absent) absent.push_back(rounded(q));
    return {{"recall_with_codes", recall_json(c.recall)},
            {"quantiles", {0, .01, .02, .05, .25, .5, .75, .95, 1}},
            {"best_cosine_present", present},
            {"best_cosine_absent", absent},
            {"floor", rounded(c.evidence_floor)},
            {"rejected_present", rounded(c.rejected_present)},
            {"rejected_absent", rounded(c.rejected_absent)}};
}

Json ranking_json(const std::vector<HeadReport>& ranking) {
    Json rows = Json::array();
    for (const HeadReport& r : ranking) {
        rows.push_back({r.head.layer, r.head.query_head, rounded(r.recall_at_5),
                        rounded(r.recall_at_10), rounded(r.recall_at_20), r.questions});
    }
    return rows;
}

Json selection_json(const TrainReport& report, const Selection& selection) {
    Json stops = Json::array(), dead = Json::array();
    for (const StopLayerReport& stop : report.trade_off) {
        Json heads = Json::array();
        for (const HeadId& head : stop.heads) heads.push_back({head.layer, head.query_head});
        stops.push_back({{"layer", stop.layer},
                         {"share_scanned", rounded(stop.share_scanned)},
                         {"r5", rounded(stop.recall_at_5)},
                         {"r10", rounded(stop.recall_at_10)},
                         {"r20", rounded(stop.recall_at_20)},
                         {"heads", heads}});
    }
    for (const DeadHead& one : report.dead) {
        dead.push_back({one.head.layer, one.head.query_head, one.why});
    }
    return {{"paragraphs", selection.paragraphs},
            {"questions", selection.questions},
            {"columns", {"layer", "query_head", "r5", "r10", "r20", "questions"}},
            {"ranking", ranking_json(report.ranking)},
            {"cannot_be_used", dead},
            {"stop_layers", stops}};
}

Json sae_json(const SaeReport& sae) {
    Json history = Json::array();
    for (const auto& [step, fvu] : sae.held_out) history.push_back({step, rounded(fvu)});
    return {{"layer", sae.layer},
            {"kv_head", sae.kv_head},
            {"fvu", rounded(sae.fvu)},
            {"dead_share", rounded(sae.dead_share)},
            {"densest", rounded(sae.densest)},
            {"densest_latent", sae.densest_latent},
            {"frequency", sae.frequency},
            {"bytes_per_token", rounded(sae.bytes_per_token)},
            {"key_mean_rms", rounded(sae.key_mean)},
            {"key_spread_rms", rounded(sae.key_spread)},
            {"steps", sae.steps},
            {"stopped_early", sae.stopped_early},
            {"held_out_fvu", history}};
}

}  // namespace

const char* name_of(Negatives negatives) {
    switch (negatives) {
        case Negatives::kBm25: return "bm25";
        case Negatives::kDocument: return "document";
        case Negatives::kAdjacent: return "adjacent";
        case Negatives::kRandom: break;
    }
    return "random";
}

std::string command_line(const TrainOptions& o) {
    std::string command = "s3attn train --model " + base_name(o.model) + " --corpus";
    for (const std::string& path : o.corpus) command += " " + base_name(path);
    command += " --out " + base_name(o.out);
    for (size_t i = 0; i < o.heads.size(); ++i) {
        command += (i == 0 ? " --heads " : ",") + std::to_string(o.heads[i].layer) + ":" +
                   std::to_string(o.heads[i].query_head);
    }
    const auto number = [&](const char* name, int64_t value) {
        command += std::string(" --") + name + " " + std::to_string(value);
    };
    if (o.heads.empty()) {
        number("n-heads", o.n_heads);
        if (o.max_layer == kAllLayers) command += " --max-layer all";
        if (o.max_layer >= 0 && o.max_layer != kAllLayers) number("max-layer", o.max_layer);
        if (o.choice == HeadChoice::kPerLayer) command += " --choose per-layer";
    }
    if (o.sae_dir.empty()) {
        number("latents", o.latents);
        number("k", o.k);
        number("sae-steps", o.sae_steps);
        number("sae-patience", o.sae_patience);
    } else {
        command += " --sae " + base_name(o.sae_dir);
    }
    number("sae-tokens", o.sae_tokens);
    number("cloze-pairs", o.cloze_pairs);
    number("query-steps", o.query_steps);
    if (o.query_steps > 0) command += std::string(" --negatives ") + name_of(o.negatives);
    if (o.model_questions > 0) {
        number("model-questions", o.model_questions);
        if (!o.question_model.empty()) command += " --reader " + base_name(o.question_model);
    }
    number("seed", o.seed);
    number("chunk", o.chunk_tokens);
    return command;
}

std::string training_record(const TrainContext& context, const TrainOptions& options,
                            const Corpus& corpus, const Prepared& prepared, const QuerySide& query,
                            const TrainReport& report) {
    Json record;
    record["command"] = command_line(options);
    record["seed"] = options.seed;
    record["threads"] = context.pool.size();
    record["chunk_tokens"] = context.scanner.chunk_tokens();
    record["seconds"] = rounded(report.seconds);
    for (const StageSeconds& stage : context.seconds) {
        record["stage_seconds"][stage.stage] = rounded(stage.seconds);
    }
    record["peak_rss_bytes"] = report.peak_rss_bytes;
    for (const CorpusFile& file : corpus.files) {
        record["corpus"].push_back({{"name", file.name},
                                    {"xxh3_128", file.hash},
                                    {"bytes", file.bytes},
                                    {"paragraphs", file.paragraphs}});
    }
    record["paragraphs"] = corpus.paragraphs.size();
    record["cloze_pairs"] = prepared.cloze.pairs.size();
    record["held_out_pairs"] = prepared.cloze.n_held_out;
    const SaeKeyCounts& keys = prepared.rows.text.counts;
    record["warnings"] = report.warnings;
    record["sae_tokens"] = keys.total();
    record["sae_keys"] = {{"paragraphs_of_pairs", keys.pairs},
                          {"other_paragraphs", keys.paragraphs},
                          {"other_text", keys.other}};
    record["pair_tokens_beside_them"] = prepared.rows.text.more.ids.size();
    record["selection"] = selection_json(report, prepared.chosen.selection);
    record["frequency_edges"] = kFrequencyEdges;
    for (const SaeReport& sae : report.saes) record["saes"].push_back(sae_json(sae));
    record["untrained_query_side"] = calibration_json(query.untrained);
    if (options.query_steps > 0) {
        record["query_side"] = calibration_json(query.trained);
        record["query_side"]["steps"] = options.query_steps;
        record["query_side"]["negatives"] = name_of(options.negatives);
        record["query_side"]["model_questions"] = prepared.model_questions;
        record["query_side"]["best_step"] = query.training.best_step;
        record["query_side"]["first_loss"] = rounded(query.training.first_loss);
        record["query_side"]["last_loss"] = rounded(query.training.last_loss);
        record["query_side"]["judge_before"] = rounded(query.training.held_out_before);
        record["query_side"]["judge_after"] = rounded(query.training.held_out_after);
    }
    return record.dump();
}

}  // namespace s3attn
