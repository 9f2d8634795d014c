#include "eval/answer_summary.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <tuple>

#include "eval/report_figures.h"
#include "train/bootstrap.h"

namespace s3attn::eval {
namespace {

constexpr uint32_t kRounds = 2000;

// task -> question -> value. The figure is the mean over tasks of the mean over questions.
using Values = std::map<std::string, std::map<std::string, double>>;

struct Key {
    std::string group, method, metric;
    int64_t budget = -1;  // -1: none
    auto operator<=>(const Key&) const = default;
};

struct Figures {
    double mean = 0, low = 0, high = 0;
    double ratio = 0, ratio_low = 0, ratio_high = 0;  // of a to b
    size_t n = 0;
};

// An end of an interval, or null where there are too few questions for one.
Json end_of(const Figures& figures, double end) {
    return figures.n < kFewestForInterval ? Json() : Json(end);
}

double middle(std::vector<double>& sorted, double share) {
    return sorted[std::min(static_cast<size_t>(share * static_cast<double>(sorted.size())),
                           sorted.size() - 1)];
}

// Of the mean of a (without b), or of the difference a - b; both hold the same questions.
Figures bootstrap(const Values& a, const Values* b, uint64_t seed) {
    struct Task {
        std::vector<double> a, b;
    };
    std::vector<Task> tasks;
    Figures figures;
    for (const auto& [name, values] : a) {
        Task task;
        for (const auto& [id, value] : values) {
            task.a.push_back(value);
            task.b.push_back(b == nullptr ? 0 : b->at(name).at(id));
        }
        figures.n += task.a.size();
        tasks.push_back(std::move(task));
    }
    if (figures.n == 0) return figures;
    std::mt19937_64 engine(seed);
    std::vector<double> differences, ratios;
    for (uint32_t round = 0; round <= kRounds; ++round) {  // round 0: the sample itself
        double mean_a = 0, mean_b = 0;
        for (const Task& task : tasks) {
            const size_t n = task.a.size();
            double sum_a = 0, sum_b = 0;
            for (size_t i = 0; i < n; ++i) {
                // The standard's distributions differ between libraries, its engines do not.
                const size_t draw = engine() % n;
                const size_t pick = round == 0 ? i : draw;
                sum_a += task.a[pick];
                sum_b += task.b[pick];
            }
            mean_a += sum_a / static_cast<double>(n * tasks.size());
            mean_b += sum_b / static_cast<double>(n * tasks.size());
        }
        const double ratio = mean_b > 0 ? mean_a / mean_b : 0;
        if (round == 0) {
            figures.mean = mean_a - mean_b;
            figures.ratio = ratio;
            continue;
        }
        differences.push_back(mean_a - mean_b);
        ratios.push_back(ratio);
    }
    std::sort(differences.begin(), differences.end());
    std::sort(ratios.begin(), ratios.end());
    figures.low = middle(differences, 0.025), figures.high = middle(differences, 0.975);
    figures.ratio_low = middle(ratios, 0.025), figures.ratio_high = middle(ratios, 0.975);
    return figures;
}

std::string text_of(const Json& row, const char* name) {
    return row.contains(name) && row[name].is_string() ? row[name].get<std::string>() : "";
}

int64_t budget_of(const Json& row) {
    return row.contains("budget") && row["budget"].is_number_integer()
               ? row["budget"].get<int64_t>()
               : -1;
}

std::map<Key, Values> collect(const std::vector<Json>& rows) {
    std::map<Key, Values> all;
    std::set<std::string> tasks;
    for (const Json& row : rows) tasks.insert(text_of(row, "task"));
    for (const Json& row : rows) {
        const std::string task = text_of(row, "task"), group = text_of(row, "group");
        const std::string bucket = text_of(row, "bucket");
        std::set<std::string> groups{task};
        if (!group.empty() && group != task) groups.insert(group);
        if (!bucket.empty()) groups.insert(task + " " + bucket);
        if (tasks.size() > 1) {
            groups.insert(kAllTasks);
            if (!bucket.empty()) groups.insert(std::string(kAllTasks) + " " + bucket);
        }
        if (!row.contains("metrics") || !row["metrics"].is_object()) continue;
        for (const auto& [metric, value] : row["metrics"].items()) {
            if (!value.is_number()) continue;
            for (const std::string& name : groups) {
                all[{name, text_of(row, "method"), metric, budget_of(row)}][task]
                   [text_of(row, "id")] = value.get<double>();
            }
        }
    }
    return all;
}

// Groups, methods and metrics as the rows have them first; the group over all tasks leads.
std::vector<Key> in_row_order(const std::map<Key, Values>& all, const std::vector<Json>& rows) {
    std::map<std::string, size_t> methods, metrics, tasks;
    for (const Json& row : rows) {
        methods.emplace(text_of(row, "method"), methods.size());
        tasks.emplace(text_of(row, "task"), tasks.size());
        if (!row.contains("metrics") || !row["metrics"].is_object()) continue;
        for (const auto& metric : row["metrics"].items())
            metrics.emplace(metric.key(), metrics.size());
    }
    const auto rank = [&](const Key& key) {
        const std::string& group = key.group;
        const auto task = tasks.find(group.substr(0, group.find(' ')));
        const size_t place = group.starts_with(kAllTasks) ? 0
                             : task == tasks.end()        ? tasks.size() + 1
                                                          : task->second + 1;
        return std::tuple(place, group, methods.at(key.method), key.budget, metrics.at(key.metric));
    };
    std::vector<Key> keys;
    for (const auto& entry : all) keys.push_back(entry.first);
    std::sort(keys.begin(), keys.end(),
              [&](const Key& a, const Key& b) { return rank(a) < rank(b); });
    return keys;
}

// Only the questions that both have.
void keep_common(Values& a, Values& b) {
    for (auto* pair : {&a, &b}) {
        Values& from = *pair;
        const Values& other = pair == &a ? b : a;
        for (auto task = from.begin(); task != from.end();) {
            const auto found = other.find(task->first);
            if (found == other.end()) {
                task = from.erase(task);
                continue;
            }
            std::erase_if(task->second,
                          [&](const auto& entry) { return !found->second.contains(entry.first); });
            task = task->second.empty() ? from.erase(task) : std::next(task);
        }
    }
}

Json counts_of(const std::vector<Json>& rows) {
    struct Count {
        size_t rows = 0, truncated = 0, withheld = 0;
    };
    std::map<std::tuple<std::string, std::string, int64_t>, Count> counts;
    for (const Json& row : rows) {
        Count& count = counts[{text_of(row, "task"), text_of(row, "method"), budget_of(row)}];
        ++count.rows;
        count.truncated += flag_field(row, "truncated") ? 1 : 0;
        count.withheld += flag_field(row, "withheld") ? 1 : 0;
    }
    Json out = Json::array();
    for (const auto& [key, count] : counts) {
        out.push_back({{"task", std::get<0>(key)},
                       {"method", std::get<1>(key)},
                       {"budget", budget_json(std::get<2>(key))},
                       {"rows", count.rows},
                       {"truncated", count.truncated},
                       {"withheld", count.withheld}});
    }
    return out;
}

}  // namespace

Json budget_json(int64_t budget) { return budget < 0 ? Json() : Json(budget); }

AnswerSummary summarize_answers(const std::vector<Json>& rows, const std::string& baseline,
                                uint64_t seed) {
    AnswerSummary out;
    const std::map<Key, Values> all = collect(rows);
    for (const Key& key : in_row_order(all, rows)) {
        const Values& values = all.at(key);
        const Figures figures = bootstrap(values, nullptr, seed);
        out.summary.push_back({{"group", key.group},
                               {"method", key.method},
                               {"metric", key.metric},
                               {"budget", budget_json(key.budget)},
                               {"mean", figures.mean},
                               {"low", end_of(figures, figures.low)},
                               {"high", end_of(figures, figures.high)},
                               {"n", figures.n}});
        if (key.method == baseline) continue;
        // At its own budget where the baseline has one, else at none.
        auto base = all.find({key.group, baseline, key.metric, key.budget});
        if (base == all.end()) base = all.find({key.group, baseline, key.metric, -1});
        if (base == all.end()) continue;
        Values a = values, b = base->second;
        keep_common(a, b);
        const Figures paired = bootstrap(a, &b, seed);
        if (paired.n == 0) continue;
        out.paired.push_back({{"group", key.group},
                              {"method", key.method},
                              {"baseline", baseline},
                              {"metric", key.metric},
                              {"budget", budget_json(key.budget)},
                              {"difference", paired.mean},
                              {"low", end_of(paired, paired.low)},
                              {"high", end_of(paired, paired.high)},
                              {"ratio", paired.ratio},
                              {"ratio_low", end_of(paired, paired.ratio_low)},
                              {"ratio_high", end_of(paired, paired.ratio_high)},
                              {"n", paired.n}});
    }
    out.counts = counts_of(rows);
    return out;
}

}  // namespace s3attn::eval
