// What `train` reports, as JSON.
#include "output.h"

namespace s3attn::cli {

Json to_json(const HeadId& head) {
    return {{"layer", head.layer}, {"query_head", head.query_head}};
}

Json to_json(const HeadReport& head) {
    Json json = to_json(head.head);
    json["recall_at_5"] = head.recall_at_5;
    json["recall_at_10"] = head.recall_at_10;
    json["recall_at_20"] = head.recall_at_20;
    json["questions"] = head.questions;
    return json;
}

Json to_json(const StopLayerReport& stop) {
    Json json = {{"layer", stop.layer},
                 {"share_scanned", stop.share_scanned},
                 {"recall_at_5", stop.recall_at_5},
                 {"recall_at_10", stop.recall_at_10},
                 {"recall_at_20", stop.recall_at_20},
                 {"heads", Json::array()}};
    for (const HeadId& head : stop.heads) json["heads"].push_back(to_json(head));
    return json;
}

Json to_json(const SaeReport& sae) {
    return {{"layer", sae.layer},
            {"kv_head", sae.kv_head},
            {"fvu", sae.fvu},
            {"dead_share", sae.dead_share},
            {"densest", sae.densest},
            {"densest_latent", sae.densest_latent},
            {"frequency", sae.frequency},
            {"bytes_per_token", sae.bytes_per_token},
            {"key_mean_rms", sae.key_mean},
            {"key_spread_rms", sae.key_spread},
            {"steps", sae.steps},
            {"stopped_early", sae.stopped_early},
            {"held_out_fvu", sae.held_out}};
}

template <class Item>
Json to_json(const std::vector<Item>& items) {
    Json json = Json::array();
    for (const Item& item : items) json.push_back(to_json(item));
    return json;
}

Json to_json(const ContextHeadReport& report) {
    Json json;
    json["chosen"] = to_json(report.chosen);
    json["mean_reciprocal_rank"] = report.together.share;
    json["mean_reciprocal_rank_raw"] = report.together.raw;
    json["chance"] = report.chance;
    json["questions"] = report.questions;
    json["units"] = report.units;
    json["mean_tokens"] = report.mean_tokens;
    json["seconds"] = report.seconds;
    json["ranking"] = Json::array();
    for (const ContextHeadRank& rank : report.ranking) {
        json["ranking"].push_back(to_json(rank.head));
        json["ranking"].back()["share"] = rank.share;
        json["ranking"].back()["raw"] = rank.raw;
    }
    return json;
}

Json to_json(const TrainReport& report) {
    Json json;
    json["chosen"] = to_json(report.chosen);
    json["paragraphs"] = report.paragraphs;
    json["ranking"] = to_json(report.ranking);
    json["cannot_be_used"] = Json::array();
    for (const DeadHead& dead : report.dead) {
        json["cannot_be_used"].push_back(to_json(dead.head));
        json["cannot_be_used"].back()["why"] = dead.why;
    }
    json["stop_layers"] = to_json(report.trade_off);
    json["frequency_edges"] = kFrequencyEdges;
    json["sae_keys"] = {{"paragraphs_of_pairs", report.sae_keys.pairs},
                        {"other_paragraphs", report.sae_keys.paragraphs},
                        {"other_text", report.sae_keys.other}};
    json["saes"] = to_json(report.saes);
    json["warnings"] = report.warnings;
    json["recall_at_10"] = report.recall_at_10;
    json["evidence_floor"] = report.evidence_floor;
    if (!report.context.chosen.empty()) json["context_heads"] = to_json(report.context);
    json["seconds"] = report.seconds;
    json["peak_rss_bytes"] = report.peak_rss_bytes;
    return json;
}

Json to_json(const MeanInterval& interval) {
    return {{"mean", interval.mean}, {"low", interval.low}, {"high", interval.high}};
}

Json to_json(const SweepReport& report) {
    Json json;
    json["sweep"] = Json::array();
    for (const SweepRow& row : report.rows) {
        json["sweep"].push_back({{"latents", row.latents},
                                 {"k", row.k},
                                 {"fvu", row.fvu},
                                 {"dead_share", row.dead_share},
                                 {"bytes_per_token", row.bytes_per_token},
                                 {"recall_at_5", row.recall_at_5},
                                 {"recall_at_10", row.recall_at_10},
                                 {"recall_at_20", row.recall_at_20},
                                 {"mean_recall", to_json(row.recall)},
                                 {"difference_to_best", to_json(row.to_best)},
                                 {"questions", row.questions},
                                 {"seconds", row.seconds}});
    }
    json["best"] = report.best;
    json["exact"] = {{"recall_at_5", report.exact.at_5},
                     {"recall_at_10", report.exact.at_10},
                     {"recall_at_20", report.exact.at_20}};
    json["train"] = to_json(report.train);
    return json;
}

}  // namespace s3attn::cli
