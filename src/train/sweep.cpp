// Several dictionaries on the same heads and keys.
#include <algorithm>
#include <set>

#include "train/bootstrap.h"
#include "train/coded_keys.h"
#include "train/pipeline_parts.h"

namespace s3attn {
namespace {

std::vector<TrainOptions> combinations(const TrainOptions& options, const SweepOptions& sweep) {
    const std::vector<uint32_t> latents =
        sweep.latents.empty() ? std::vector<uint32_t>{options.latents} : sweep.latents;
    const std::vector<uint32_t> k = sweep.k.empty() ? std::vector<uint32_t>{options.k} : sweep.k;
    std::vector<TrainOptions> all;
    for (uint32_t f : latents) {
        for (uint32_t active : k) {
            all.push_back(options);
            all.back().latents = f;
            all.back().k = active;
        }
    }
    return all;
}

// Of the questions that training does not judge by, as fit_query_side() reports them: the recall,
// and each question's mean of R@5, R@10 and R@20.
struct Reported {
    Recall recall;
    std::vector<double> of_question;
};
Reported reported_recall(const RetrievalSet& set, ThreadPool& pool) {
    const std::vector<QueryHeadParams> untrained(set.heads.size(), identity_params(set.d));
    const uint32_t n = static_cast<uint32_t>(set.questions.size());
    Reported out;
    Recall sums;
    score_questions(set, untrained, std::min(n / 2, 300u), n, pool,
                    [&](uint32_t q, std::span<const float> mass, std::span<const float>) {
                        Recall own;
                        add_recall(mass, set.gold[q], own);
                        add_recall(mass, set.gold[q], sums);
                        out.of_question.push_back(own.mean());
                    });
    out.recall = finished(sums);
    return out;
}

MeanInterval as_mean(const Interval& interval) {
    return {interval.mean, interval.low, interval.high};
}

void add_intervals(const std::vector<std::vector<double>>& values, uint64_t seed,
                   SweepReport& report) {
    for (size_t i = 0; i < report.rows.size(); ++i) {
        report.rows[i].recall = as_mean(bootstrap_mean(values[i], seed));
        report.rows[i].to_best =
            as_mean(bootstrap_difference(values[i], values[report.best], seed));
    }
}

SweepRow row_of(const TrainOptions& options, const std::vector<SaeReport>& saes) {
    SweepRow row;
    row.k = options.k;
    row.latents = options.latents;
    for (const SaeReport& sae : saes) {
        row.fvu += sae.fvu / static_cast<double>(saes.size());
        row.dead_share += sae.dead_share / static_cast<double>(saes.size());
        row.bytes_per_token += sae.bytes_per_token;
    }
    return row;
}

double mean_recall(const SweepRow& row) {
    return (row.recall_at_5 + row.recall_at_10 + row.recall_at_20) / 3;
}

size_t best_row(const std::vector<SweepRow>& rows) {
    size_t best = 0;
    for (size_t i = 1; i < rows.size(); ++i) {
        const double gain = mean_recall(rows[i]) - mean_recall(rows[best]);
        const bool smaller = rows[i].bytes_per_token < rows[best].bytes_per_token;
        if (gain > 1e-9 || (gain > -1e-9 && smaller)) best = i;
    }
    return best;
}

Recall3 exact_recall(const Adapter& adapter, const HeldOut& held_out, ThreadPool& pool) {
    RetrievalSet set = held_out_set(adapter, held_out, pool.size());
    for (size_t s = 0; s < adapter.slots.size(); ++s) {
        const KeySlot& slot = adapter.slots[s];
        set.keys[s] = exact_keys(slot.mean_key, held_out.keys.at({slot.layer, slot.kv_head}));
    }
    const Recall recall = reported_recall(set, pool).recall;
    return {recall.at_5, recall.at_10, recall.at_20};
}

Status check_all(const std::vector<TrainOptions>& all) {
    std::set<std::pair<uint32_t, uint32_t>> seen;
    for (const TrainOptions& options : all) {
        if (!seen.emplace(options.latents, options.k).second) {
            return make_error(ErrorCode::kInvalidArgument,
                              "sweep: latents " + std::to_string(options.latents) + ", k " +
                                  std::to_string(options.k) + " is named twice");
        }
        if (const Status status = check_without_output(options); !status.ok()) {
            return make_error(ErrorCode::kInvalidArgument,
                              "sweep, latents " + std::to_string(options.latents) + ", k " +
                                  std::to_string(options.k) + ": " + status.error().message);
        }
    }
    return {};
}

}  // namespace

Result<SweepResult> run_sweep(Scanner& scanner, const Corpus& corpus, const TrainOptions& options,
                              const SweepOptions& sweep, ProgressSink& sink,
                              const CancelToken& cancel, const QuestionWriter& writer) {
    const std::vector<TrainOptions> all = combinations(options, sweep);
    S3ATTN_CHECK(check_all(all));
    TrainContext context{scanner, options, sink,  cancel, ThreadPool(options.threads),
                         {},      {},      writer};
    S3ATTN_CHECK(open_checkpoints(context));
    StageClock clock(context);
    S3ATTN_TRY(Prepared prepared, prepare(context, corpus, clock));
    SweepResult result;
    SweepReport& report = result.report;
    Adapter best;
    std::vector<SaeReport> best_saes;
    std::vector<std::vector<double>> values;  // recall of each row's questions
    for (size_t i = 0; i < all.size(); ++i) {
        sink.note("sweep " + std::to_string(i + 1) + " of " + std::to_string(all.size()) +
                  ": latents " + std::to_string(all[i].latents) + ", k " +
                  std::to_string(all[i].k));
        const Stopwatch watch;
        Adapter adapter;
        std::vector<SaeReport> saes;
        S3ATTN_CHECK(fit_key_side(context, all[i], prepared.chosen, prepared.rows,
                                  prepared.held_out, adapter, saes));
        SweepRow row = row_of(all[i], saes);
        Reported reported = reported_recall(
            held_out_set(adapter, prepared.held_out, context.pool.size()), context.pool);
        const Recall recall = reported.recall;
        values.push_back(std::move(reported.of_question));
        row.recall_at_5 = recall.at_5;
        row.recall_at_10 = recall.at_10;
        row.recall_at_20 = recall.at_20;
        row.questions = recall.questions;
        row.seconds = watch.seconds();
        report.rows.push_back(row);
        if (i == 0) report.exact = exact_recall(adapter, prepared.held_out, context.pool);
        if (best_row(report.rows) == i) {
            best = std::move(adapter);
            best_saes = std::move(saes);
        }
    }
    clock.end("train SAEs");
    report.best = best_row(report.rows);
    add_intervals(values, options.seed, report);
    describe_heads(context, prepared.chosen, report.train);
    report.train.seconds = context.total_seconds();
    report.train.peak_rss_bytes = peak_rss_bytes();
    if (options.out.empty()) return result;
    S3ATTN_TRY(result.best, finish_adapter(context, all[report.best], corpus, prepared,
                                           std::move(best), std::move(best_saes), clock));
    report.train = result.best->report;
    return result;
}

}  // namespace s3attn
