#include "train_report.h"

#include <fmt/format.h>

#include <cstdio>

#include "progress_bar.h"

namespace s3attn::cli {
namespace {

constexpr size_t kHeadLines = 20;

void print_ranking(const TrainReport& report) {
    std::printf(
        "layer head   R@5  R@10  R@20   (inverse cloze, one head alone among %u paragraphs; "
        "best %zu of %zu, all in adapter.json and --json)\n",
        report.paragraphs, std::min(kHeadLines, report.ranking.size()), report.ranking.size());
    for (size_t i = 0; i < std::min(kHeadLines, report.ranking.size()); ++i) {
        const HeadReport& head = report.ranking[i];
        std::printf("%5u %4u  %.3f %.3f %.3f\n", head.head.layer, head.head.query_head,
                    head.recall_at_5, head.recall_at_10, head.recall_at_20);
    }
    for (const DeadHead& dead : report.dead) {
        std::printf("%5u %4u  cannot be used: its %s\n", dead.head.layer, dead.head.query_head,
                    dead.why.c_str());
    }
}

std::string names(const std::vector<HeadId>& heads) {
    std::string text;
    for (const HeadId& head : heads) {
        text += fmt::format("{}{}:{}", text.empty() ? "" : ",", head.layer, head.query_head);
    }
    return text;
}

void print_trade_off(const TrainReport& report) {
    std::printf(
        "\nWhat the best heads find together, by the layer where the scan stops:\n"
        "stop  scanned   R@5  R@10  R@20  per layer  heads\n");
    for (const StopLayerReport& stop : report.trade_off) {
        const double mean = (stop.recall_at_5 + stop.recall_at_10 + stop.recall_at_20) / 3;
        std::printf("%4u  %5.1f %%  %.3f %.3f %.3f      %.3f  %s\n", stop.layer,
                    100 * stop.share_scanned, stop.recall_at_5, stop.recall_at_10,
                    stop.recall_at_20, mean / (stop.layer + 1), names(stop.heads).c_str());
    }
    std::printf("chosen: --heads %s\n", names(report.chosen).c_str());
}

// "<= 0.003" for the bins between the first and the last.
std::string bin_name(size_t bin) {
    if (bin == 0) return "never";
    if (bin == kFrequencyBins - 1) return fmt::format("> {:g}", kFrequencyEdges[bin - 1]);
    return fmt::format("{:g}", kFrequencyEdges[bin]);
}

void print_saes(const TrainReport& report) {
    std::printf(
        "\nlayer KV head    FVU   dead  densest (feature)  bytes/token  steps  key RMS (of the "
        "mean)\n");
    for (const SaeReport& sae : report.saes) {
        std::printf("%5u %7u  %.3f  %.3f    %.3f   %6u   %11.1f  %5u%s  %.3f (%.3f)\n", sae.layer,
                    sae.kv_head, sae.fvu, sae.dead_share, sae.densest, sae.densest_latent,
                    sae.bytes_per_token, sae.steps, sae.stopped_early ? "*" : " ", sae.key_spread,
                    sae.key_mean);
    }
    for (const SaeReport& sae : report.saes) {
        if (!sae.stopped_early) continue;
        std::printf("* stopped early: the FVU of held-out keys no longer fell\n");
        break;
    }
    std::printf("\nFeatures by the share of keys that they fire on, up to:\nlayer KV head");
    for (size_t bin = 0; bin < kFrequencyBins; ++bin) std::printf(" %7s", bin_name(bin).c_str());
    std::printf("\n");
    for (const SaeReport& sae : report.saes) {
        std::printf("%5u %7u", sae.layer, sae.kv_head);
        for (uint32_t n : sae.frequency) std::printf(" %7u", n);
        std::printf("\n");
    }
}

void print_end(const TrainReport& report, const std::string& out) {
    std::printf("\nchosen heads together, with codes: R@10 %.3f on held-out inverse cloze\n",
                report.recall_at_10);
    std::printf("%s made in %s, peak memory %.0f MiB; heat map of the heads: %s/heads.svg\n",
                out.c_str(), format_duration(report.seconds).c_str(),
                static_cast<double>(report.peak_rss_bytes) / (1 << 20), out.c_str());
}

void print_context(const ContextHeadReport& report) {
    constexpr size_t kShown = 12;
    std::printf(
        "\nContext heads: where a sentence's own paragraph ranks among %u in one context\n"
        "(mean reciprocal rank, %u sentences; chance %.3f)\n  layer head  share    raw\n",
        report.units, report.questions, report.chance);
    for (size_t i = 0; i < std::min(kShown, report.ranking.size()); ++i) {
        const ContextHeadRank& rank = report.ranking[i];
        std::printf("  %5u %4u  %.3f  %.3f%s\n", rank.head.layer, rank.head.query_head, rank.share,
                    rank.raw, i < report.chosen.size() ? "  chosen" : "");
    }
    std::printf("  together    %.3f  %.3f    (contexts of %.0f tokens, %.0f s)\n",
                report.together.share, report.together.raw, report.mean_tokens, report.seconds);
}

}  // namespace

void print_report(const ContextHeadReport& report, const std::string& out) {
    print_context(report);
    std::printf("\nadapter: %s\n", out.c_str());
}

void print_report(const TrainReport& report, const std::string& out) {
    print_ranking(report);
    print_trade_off(report);
    print_saes(report);
    if (!report.context.chosen.empty()) print_context(report.context);
    print_end(report, out);
}

void print_report(const SweepReport& report, const std::string& out) {
    print_ranking(report.train);
    print_trade_off(report.train);
    std::printf(
        "\nlatents   k    FVU   dead  bytes/token   R@5  R@10  R@20  mean [95 %%]           "
        "to the best [95 %%]       minutes\n");
    for (size_t i = 0; i < report.rows.size(); ++i) {
        const SweepRow& row = report.rows[i];
        const std::string mean = fmt::format("{:.3f} [{:.3f}, {:.3f}]", row.recall.mean,
                                             row.recall.low, row.recall.high);
        const std::string to_best =
            i == report.best ? "best"
                             : fmt::format("{:+.3f} [{:+.3f}, {:+.3f}]", row.to_best.mean,
                                           row.to_best.low, row.to_best.high);
        std::printf("%7u %3u  %.3f  %.3f  %11.1f  %.3f %.3f %.3f  %-21s  %-25s  %6.1f\n",
                    row.latents, row.k, row.fvu, row.dead_share, row.bytes_per_token,
                    row.recall_at_5, row.recall_at_10, row.recall_at_20, mean.c_str(),
                    to_best.c_str(), row.seconds / 60);
    }
    std::printf("exact keys                                 %.3f %.3f %.3f\n", report.exact.at_5,
                report.exact.at_10, report.exact.at_20);
    std::printf(
        "(FVU and dead features: means over the KV heads. Retrieval: %u held-out inverse "
        "cloze questions, codes, untrained query side; a difference whose interval holds zero may\n"
        "be chance, and then the smaller index is as good a choice.)\n",
        report.rows.empty() ? 0 : report.rows[0].questions);
    if (out.empty()) {
        std::printf("no adapter written: --out DIR writes the best one\n");
        return;
    }
    print_saes(report.train);
    print_end(report.train, out);
}

}  // namespace s3attn::cli
