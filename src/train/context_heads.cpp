#include "train/context_heads.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "base/timing.h"
#include "s3attn/reason.h"
#include "train/negatives.h"
#include "train/rng.h"

namespace s3attn {
namespace {

constexpr uint32_t kPoolPerQuestion = 40;  // pairs that others are taken from
constexpr uint32_t kMinPool = 400;
// First stage's weight in the sum, by experiment on the train files (docs/research.md).
constexpr float kFirstWeight = 0.5f;
constexpr double kBetterThanChance = 0.1;  // of the way from chance to always first
constexpr size_t kRecorded = 32;           // heads of the ranking that the record keeps

// Rank of `answer` among values, 1-based; ties count against it.
double reciprocal_rank(const std::vector<double>& values, uint32_t answer) {
    size_t rank = 1;
    for (size_t u = 0; u < values.size(); ++u) {
        if (u != answer && !(values[u] < values[answer])) ++rank;
    }
    return 1.0 / static_cast<double>(rank);
}

// Mean reciprocal rank of one among n in random order.
double chance(size_t n) {
    double sum = 0;
    for (size_t rank = 1; rank <= n; ++rank) sum += 1.0 / static_cast<double>(rank);
    return sum / static_cast<double>(n);
}

void add_z_scores(const std::vector<double>& values, std::vector<double>& sum) {
    const auto n = static_cast<double>(values.size());
    const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
    double variance = 0;
    for (const double value : values) variance += (value - mean) * (value - mean) / n;
    if (sum.empty()) sum.resize(values.size());
    if (!(variance > 0)) return;
    for (size_t i = 0; i < values.size(); ++i) sum[i] += (values[i] - mean) / std::sqrt(variance);
}

struct HeadResults {
    std::vector<UnitAttentions> of_task;
};

double mean_reciprocal_rank(const std::vector<ContextTask>& tasks,
                            const std::vector<const HeadResults*>& heads, bool share) {
    double sum = 0;
    for (size_t t = 0; t < tasks.size(); ++t) {
        std::vector<double> z;
        for (const HeadResults* head : heads) {
            add_z_scores(share ? head->of_task[t].share : head->of_task[t].raw, z);
        }
        if (tasks[t].answer < z.size()) sum += reciprocal_rank(z, tasks[t].answer);
    }
    return tasks.empty() ? 0 : sum / static_cast<double>(tasks.size());
}

// Different paragraphs for one question: same words, then neighbours, then any.
std::vector<uint32_t> others_of(uint32_t own, size_t wanted, size_t pool,
                                const std::vector<uint32_t>& words,
                                const std::vector<uint32_t>& near, Rng& rng) {
    std::vector<uint32_t> out;
    std::set<uint32_t> used{own};
    const auto take = [&](uint32_t i) {
        if (out.size() < wanted && used.insert(i).second) out.push_back(i);
    };
    for (const uint32_t i : words) take(i);
    for (const uint32_t i : near) take(i);
    while (out.size() < wanted && used.size() < pool) take(static_cast<uint32_t>(rng.below(pool)));
    return out;
}

}  // namespace

Result<std::vector<ContextTask>> make_context_tasks(const Corpus& corpus,
                                                    const ContextHeadOptions& options,
                                                    uint64_t seed, const CancelToken& cancel) {
    const uint32_t wanted = std::max(kMinPool, options.questions * kPoolPerQuestion);
    const std::vector<ClozePair> pairs = make_cloze_pairs(corpus.paragraphs, wanted, seed);
    if (pairs.size() < options.units || pairs.size() < 2) {
        return make_error(ErrorCode::kInvalidArgument,
                          "the corpus has " + std::to_string(pairs.size()) +
                              " paragraphs to choose context heads with and a context holds " +
                              std::to_string(options.units) + ": give more text");
    }
    S3ATTN_TRY(const auto words, hard_negatives(corpus, pairs, Negatives::kBm25, {}, cancel));
    S3ATTN_TRY(const auto near, hard_negatives(corpus, pairs, Negatives::kDocument, {}, cancel));
    Rng rng(seed ^ 0x636f6e74657874u);
    std::vector<ContextTask> tasks;
    const size_t n = std::min<size_t>(options.questions, pairs.size());
    for (uint32_t i = 0; i < n; ++i) {
        const ClozePair& own = pairs[i];
        ContextTask task;
        task.question = own.question;
        std::vector<uint32_t> order =
            others_of(i, options.units - 1, pairs.size(), words[i], near[i], rng);
        order.push_back(i);
        rng.shuffle(order);
        for (const uint32_t j : order) {
            if (j == i) task.answer = static_cast<uint32_t>(task.units.size());
            // The others are whole: what tells them apart must not be a missing sentence.
            const bool whole = j != i || options.keep_sentence;
            task.units.push_back(whole ? corpus.paragraphs[pairs[j].source] : own.paragraph);
        }
        tasks.push_back(std::move(task));
    }
    return tasks;
}

Status check_context_options(const ContextHeadOptions& options, const ModelInfo& model) {
    const auto last = static_cast<int32_t>(model.n_layer) - 1;
    if (options.max_layer < -1 || options.max_layer > last) {
        return make_error(ErrorCode::kInvalidArgument, reason::kOption, "context_max_layer",
                          "layer " + std::to_string(options.max_layer) + ": " +
                              model.name + " has layers 0 to " + std::to_string(last) +
                              " (-1: two thirds of them)");
    }
    const uint32_t there = (deepest_context_layer(options, model.n_layer) + 1) * model.n_head;
    if (options.heads > there) {
        return make_error(ErrorCode::kInvalidArgument, reason::kOption, "context_heads",
                          std::to_string(options.heads) + " heads are to be chosen: " + model.name +
                              " has " + std::to_string(there) +
                              " heads up to the deepest layer that is looked at");
    }
    return {};
}

uint32_t deepest_context_layer(const ContextHeadOptions& options, uint32_t n_layer) {
    if (options.max_layer >= 0) {
        return std::min(static_cast<uint32_t>(options.max_layer), n_layer - 1);
    }
    return std::max(1u, n_layer * 2 / 3) - 1;
}

Result<ContextHeadReport> choose_context_heads(ContextModel& model,
                                               const std::vector<ContextTask>& tasks,
                                               const ContextHeadOptions& options, uint32_t threads,
                                               ProgressSink& sink, const CancelToken& cancel) {
    const Stopwatch watch;
    std::vector<ContextHead> heads;
    const uint32_t deepest = deepest_context_layer(options, model.info().n_layer);
    for (uint32_t layer = 0; layer <= deepest; ++layer) {
        for (uint32_t h = 0; h < model.info().n_head; ++h) heads.push_back({layer, h});
    }
    std::vector<HeadResults> results(heads.size());
    ContextHeadReport report;
    std::vector<ContextTask> read;  // as far as their units fit the window
    for (size_t t = 0; t < tasks.size(); ++t) {
        S3ATTN_TRY(const UnitContext context,
                   lay_out_units(model, tasks[t].units, tasks[t].question));
        if (tasks[t].answer >= context.units()) continue;
        S3ATTN_TRY(auto attentions, read_units(model, context, heads, threads, &cancel));
        for (size_t h = 0; h < heads.size(); ++h) {
            results[h].of_task.push_back(std::move(attentions[h]));
        }
        read.push_back(tasks[t]);
        report.mean_tokens += static_cast<double>(context.tokens.size());
        report.chance += chance(context.units());
        sink.update({"choosing context heads", "", t + 1, tasks.size(), "sentences",
                     static_cast<double>(t + 1) / std::max(1e-9, watch.seconds())});
    }
    if (read.empty()) {
        return make_error(ErrorCode::kInvalidArgument,
                          "the window of " + model.info().name + " holds no context of " +
                              std::to_string(options.units) + " units");
    }
    report.questions = static_cast<uint32_t>(read.size());
    report.units = options.units;
    report.mean_tokens /= report.questions;
    report.chance /= report.questions;
    std::vector<size_t> order(heads.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::vector<ContextHeadRank> ranks;
    for (size_t h = 0; h < heads.size(); ++h) {
        ranks.push_back({{heads[h].layer, heads[h].query_head},
                         mean_reciprocal_rank(read, {&results[h]}, true),
                         mean_reciprocal_rank(read, {&results[h]}, false)});
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return ranks[a].share > ranks[b].share; });
    std::vector<const HeadResults*> chosen;
    for (const size_t h : order) {
        report.ranking.push_back(ranks[h]);
        if (chosen.size() == options.heads) continue;
        chosen.push_back(&results[h]);
        report.chosen.push_back(ranks[h].head);
    }
    report.together.share = mean_reciprocal_rank(read, chosen, true);
    report.together.raw = mean_reciprocal_rank(read, chosen, false);
    report.seconds = watch.seconds();
    const double wanted = report.chance + kBetterThanChance * (1 - report.chance);
    if (report.ranking.front().share < wanted) {
        return make_error(ErrorCode::kUnsupported,
                          "no head of " + model.info().name + " up to layer " +
                              std::to_string(deepest) +
                              " finds a sentence's own unit in context much better than chance: "
                              "this model has no use as a second stage");
    }
    return report;
}

ContextHeads as_context_heads(const ContextHeadReport& report) {
    ContextHeads context;
    for (const HeadId& head : report.chosen) {
        context.heads.push_back({head.layer, head.query_head});
    }
    context.share = report.by_share;
    context.first_weight = kFirstWeight;
    return context;
}

std::string context_record(const ContextHeadReport& report, const ContextHeadOptions& options) {
    const auto rounded = [](double value) { return std::round(value * 1e4) / 1e4; };
    nlohmann::ordered_json ranking = nlohmann::ordered_json::array();
    for (size_t i = 0; i < std::min(kRecorded, report.ranking.size()); ++i) {
        const ContextHeadRank& rank = report.ranking[i];
        ranking.push_back(
            {rank.head.layer, rank.head.query_head, rounded(rank.share), rounded(rank.raw)});
    }
    const nlohmann::ordered_json record = {
        {"questions", report.questions},
        {"units", report.units},
        {"sentence", options.keep_sentence ? "kept" : "removed"},
        {"mean_tokens", rounded(report.mean_tokens)},
        {"seconds", rounded(report.seconds)},
        {"mean_reciprocal_rank", rounded(report.together.share)},
        {"mean_reciprocal_rank_raw", rounded(report.together.raw)},
        {"chance", rounded(report.chance)},
        {"columns", {"layer", "query_head", "mrr_share", "mrr_raw"}},
        {"ranking", ranking}};
    return record.dump();
}

}  // namespace s3attn
