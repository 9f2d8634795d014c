#include "train/head_selection.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "train/scoring.h"

namespace s3attn {
namespace {

HalfRows unit_rows(const HalfRows& rows, const std::vector<float>& mean, ThreadPool& pool) {
    const uint32_t d = rows.d();
    std::vector<float> values(rows.size() * d);
    constexpr size_t kBlock = 2048;
    pool.run(static_cast<uint32_t>((rows.size() + kBlock - 1) / kBlock), [&](uint32_t task) {
        const size_t begin = task * kBlock, n = std::min(kBlock, rows.size() - begin);
        read_unit(rows, begin, n, mean, values.data() + begin * d);
    });
    HalfRows out(d);
    out.set_offset(std::vector<float>(d, 0.0f));
    out.append(values.data(), static_cast<uint32_t>(rows.size()), d);
    return out;
}

class Ranker {
  public:
    Ranker(const SelectionInput& input, ThreadPool& pool) : input_(input), pool_(pool) {
        set_.units = input.paragraphs->spans;
        set_.questions = input.questions->spans;
        for (uint32_t q = 0; q < set_.questions.size(); ++q) set_.gold.push_back({q});
        set_.keys.resize(1);
        set_.heads.resize(1);
    }

    // Adds questions [begin, end) to `sums`; their scores go to `masses` if it is not null.
    void judge(HeadId head, uint32_t begin, uint32_t end, Recall& sums,
               std::vector<float>* masses) {
        const HalfRows& queries = input_.queries->at({head.layer, head.query_head});
        use_keys({head.layer, head.query_head / (input_.n_head / input_.n_head_kv)});
        set_.d = queries.d();
        const std::vector<float> mean = queries.mean();
        std::vector<float>& rows = set_.heads[0].queries;
        rows.resize(queries.size() * set_.d);
        read_unit(queries, 0, queries.size(), mean, rows.data());
        const std::vector<QueryHeadParams> params{identity_params(set_.d)};
        score_questions(set_, params, begin, end, pool_,
                        [&](uint32_t q, std::span<const float> mass, std::span<const float>) {
                            add_recall(mass, set_.gold[q], sums);
                            if (masses) masses->insert(masses->end(), mass.begin(), mass.end());
                        });
    }

  private:
    void use_keys(HeadKey key) {
        if (have_keys_ && key == current_) return;
        const HalfRows& keys = input_.keys->at(key);
        set_.keys[0] = unit_rows(keys, keys.mean(), pool_);
        current_ = key;
        have_keys_ = true;
    }

    const SelectionInput& input_;
    ThreadPool& pool_;
    RetrievalSet set_;
    HeadKey current_;
    bool have_keys_ = false;
};

double mean_recall(const HeadReport& r) {
    return (r.recall_at_5 + r.recall_at_10 + r.recall_at_20) / 3;
}

HeadReport report_of(HeadId head, const Recall& sums) {
    const Recall recall = finished(sums);
    return {head, recall.at_5, recall.at_10, recall.at_20, recall.questions};
}

Error cancelled() { return make_error(ErrorCode::kCancelled, "training was interrupted"); }

std::string figures(const RowScale& scale) {
    char text[80];
    std::snprintf(text, sizeof text, " (RMS %.3g about a mean of RMS %.3g)", scale.spread,
                  scale.mean);
    return text;
}

}  // namespace

void sort_best_first(std::vector<HeadReport>& ranking) {
    std::stable_sort(ranking.begin(), ranking.end(), [](const HeadReport& a, const HeadReport& b) {
        return mean_recall(a) > mean_recall(b);
    });
}

RowScale row_scale(const HalfRows& rows) {
    const std::vector<float> mean = rows.mean();
    double square = 0;
    for (float m : mean) square += static_cast<double>(m) * m;
    return {std::sqrt(square / std::max<double>(1, rows.d())), std::sqrt(rows.variance(mean))};
}

std::string row_problem(const HalfRows& rows) {
    const RowScale scale = row_scale(rows);
    if (!std::isfinite(scale.spread) || !std::isfinite(scale.mean)) return "are not finite";
    // Half precision of a constant leaves a relative variance of 1e-7.
    if (scale.spread * scale.spread <= 1e-6 * (scale.mean * scale.mean + 1e-6)) {
        return "do not vary from token to token" + figures(scale);
    }
    return {};
}

Result<Selection> rank_heads(const SelectionInput& input, uint32_t first_questions,
                             uint32_t finalists, ThreadPool& pool, const OnHead& on_head,
                             const CancelToken& cancel) {
    Selection selection;
    selection.paragraphs = static_cast<uint32_t>(input.paragraphs->spans.size());
    selection.questions = static_cast<uint32_t>(input.questions->spans.size());
    Ranker ranker(input, pool);
    const uint32_t group = input.n_head / input.n_head_kv;
    std::map<HeadKey, Recall> sums;
    for (const auto& [key, rows] : *input.queries) {
        const std::string keys = row_problem(input.keys->at({key.layer, key.head / group}));
        const std::string queries = row_problem(rows);
        if (keys.empty() && queries.empty()) {
            sums.emplace(key, Recall{});
        } else {
            selection.dead.push_back(
                {{key.layer, key.head}, keys.empty() ? "queries " + queries : "keys " + keys});
        }
    }
    std::vector<HeadReport>& ranking = selection.ranking;
    finalists = std::min<uint32_t>(finalists, static_cast<uint32_t>(sums.size()));
    const uint32_t first = std::min(first_questions, selection.questions);
    if (first == selection.questions) finalists = 0;
    const uint64_t total = sums.size() + finalists;
    for (auto& [key, sum] : sums) {
        if (cancel.cancelled()) return cancelled();
        const HeadId id{key.layer, key.head};
        ranker.judge(id, 0, first, sum, &selection.masses[key]);
        ranking.push_back(report_of(id, sum));
        if (on_head) on_head(ranking.size(), total);
    }
    sort_best_first(ranking);
    // In order of layers again, so that each KV head's keys are made ready once.
    std::sort(ranking.begin(), ranking.begin() + finalists, [](const auto& a, const auto& b) {
        return std::pair(a.head.layer, a.head.query_head) <
               std::pair(b.head.layer, b.head.query_head);
    });
    for (uint32_t i = 0; i < finalists; ++i) {
        if (cancel.cancelled()) return cancelled();
        const HeadId id = ranking[i].head;
        Recall& sum = sums.at({id.layer, id.query_head});
        ranker.judge(id, first, selection.questions, sum, nullptr);
        ranking[i] = report_of(id, sum);
        if (on_head) on_head(sums.size() + i + 1, total);
    }
    sort_best_first(ranking);
    return selection;
}

Status check_better_than_chance(const Selection& selection) {
    const double chance = std::min(1.0, 10.0 / std::max(1u, selection.paragraphs));
    const double spread = std::sqrt(chance * (1 - chance) / std::max(1u, selection.questions));
    const double best = selection.ranking.empty() ? 0 : selection.ranking[0].recall_at_10;
    // Beyond what the luckiest of some hundred heads would find, and enough to be of use.
    const double needed = std::max(chance + 4 * spread, std::min(2 * chance, (1 + chance) / 2));
    if (best > std::min(0.95, needed)) return {};
    char line[160];
    std::snprintf(line, sizeof line,
                  "no head of this model retrieves: the best finds %.3f of the paragraphs among "
                  "its first 10 of %u, chance is %.3f\n",
                  best, selection.paragraphs, chance);
    return make_error(ErrorCode::kUnsupported, line + ranking_table(selection.ranking, 20) +
                                                   "train with another model, or a corpus in the "
                                                   "language that this model knows");
}

std::string ranking_table(const std::vector<HeadReport>& ranking, size_t lines) {
    std::string table = "layer  head    R@5   R@10   R@20\n";
    for (size_t i = 0; i < std::min(lines, ranking.size()); ++i) {
        char line[80];
        std::snprintf(line, sizeof line, "%5u %5u  %.3f  %.3f  %.3f\n", ranking[i].head.layer,
                      ranking[i].head.query_head, ranking[i].recall_at_5, ranking[i].recall_at_10,
                      ranking[i].recall_at_20);
        table += line;
    }
    return table;
}

}  // namespace s3attn
