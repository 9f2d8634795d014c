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
        if (o.max_layer >= 0) number("max-layer", o.max_layer);
    }
    number("latents", o.latents);
    number("k", o.k);
    number("sae-steps", o.sae_steps);
    number("sae-tokens", o.sae_tokens);
    number("cloze-pairs", o.cloze_pairs);
    number("query-steps", o.query_steps);
    number("seed", o.seed);
    number("chunk", o.chunk_tokens);
    return command;
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
                        rounded(r.recall_at_10), rounded(r.recall_at_20)});
    }
    return rows;
}

}  // namespace

std::string training_record(const TrainContext& context, const Corpus& corpus,
                            const ClozeSplit& cloze, const ChosenHeads& chosen,
                            const TrainingRows& rows, const QuerySide& query,
                            const TrainReport& report) {
    const TrainOptions& options = context.options;
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
    record["cloze_pairs"] = cloze.pairs.size();
    record["held_out_pairs"] = cloze.n_held_out;
    record["sae_tokens"] = rows.text.ids.size();
    record["selection"] = {{"paragraphs", chosen.selection.paragraphs},
                           {"questions", chosen.selection.questions},
                           {"columns", {"layer", "query_head", "r5", "r10", "r20"}},
                           {"ranking", ranking_json(chosen.selection.ranking)}};
    for (const SaeReport& sae : report.saes) {
        record["saes"].push_back({{"layer", sae.layer},
                                  {"kv_head", sae.kv_head},
                                  {"fvu", rounded(sae.fvu)},
                                  {"dead_share", rounded(sae.dead_share)},
                                  {"densest", rounded(sae.densest)}});
    }
    record["untrained_query_side"] = calibration_json(query.untrained);
    if (options.query_steps > 0) {
        record["query_side"] = calibration_json(query.trained);
        record["query_side"]["steps"] = options.query_steps;
        record["query_side"]["best_step"] = query.training.best_step;
        record["query_side"]["first_loss"] = rounded(query.training.first_loss);
        record["query_side"]["last_loss"] = rounded(query.training.last_loss);
        record["query_side"]["judge_before"] = rounded(query.training.held_out_before);
        record["query_side"]["judge_after"] = rounded(query.training.held_out_after);
    }
    return record.dump();
}

}  // namespace s3attn
