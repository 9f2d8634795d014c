#include "eval/summary.h"

#include <algorithm>
#include <map>

#include "train/bootstrap.h"

namespace s3attn::eval {
namespace {

constexpr size_t kMaxGroups = 16;  // more are no kinds of questions but names

// group -> method -> metric -> question id -> value; ids keep the rows' order.
struct Table {
    std::vector<std::string> groups{"all"};
    std::vector<std::string> metrics;
    using Values = std::vector<std::pair<std::string, double>>;
    std::map<std::string, std::map<std::string, std::map<std::string, Values>>> values;
};

void remember(std::vector<std::string>& names, const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

Table make_table(const std::vector<Json>& rows) {
    Table table;
    for (const Json& row : rows) {
        const auto group = row.value("group", std::string());
        const auto method = row["method"].get<std::string>();
        if (!group.empty()) remember(table.groups, group);
        for (const auto& [metric, value] : row["metrics"].items()) {
            if (!value.is_number()) continue;
            remember(table.metrics, metric);
            const auto number = value.get<double>();
            const auto id = row["id"].get<std::string>();
            table.values["all"][method][metric].emplace_back(id, number);
            if (!group.empty()) table.values[group][method][metric].emplace_back(id, number);
        }
    }
    if (table.groups.size() > kMaxGroups || table.groups.size() == 2) table.groups.resize(1);
    return table;
}

// An end of an interval, or null where there are too few questions for one.
Json bound(const Interval& interval, double end) { return interval.known() ? Json(end) : Json(); }

std::vector<double> numbers(const Table::Values& values) {
    std::vector<double> out;
    for (const auto& [id, value] : values) out.push_back(value);
    return out;
}

}  // namespace

Json budget_of(const std::string& metric) {
    for (const char* prefix : {"ev", "all"}) {
        const std::string_view head(prefix);
        if (metric.starts_with(head) && metric.size() > head.size() &&
            std::isdigit(static_cast<unsigned char>(metric[head.size()]))) {
            return std::stoul(metric.substr(head.size()));
        }
    }
    return nullptr;
}

Json summarise(const std::vector<Json>& rows, const std::vector<std::string>& methods,
               uint64_t seed) {
    Table table = make_table(rows);
    Json out = Json::array();
    for (const std::string& group : table.groups) {
        for (const std::string& method : methods) {
            for (const std::string& metric : table.metrics) {
                const auto& values = table.values[group][method][metric];
                if (values.empty()) continue;
                const Interval interval = bootstrap_mean(numbers(values), seed);
                out.push_back({{"group", group},
                               {"method", method},
                               {"metric", metric},
                               {"budget", budget_of(metric)},
                               {"mean", interval.mean},
                               {"low", bound(interval, interval.low)},
                               {"high", bound(interval, interval.high)},
                               {"n", interval.n}});
            }
        }
    }
    return out;
}

Json compare(const std::vector<Json>& rows, const std::vector<std::string>& methods,
             const std::string& baseline, uint64_t seed) {
    Table table = make_table(rows);
    Json out = Json::array();
    for (const std::string& group : table.groups) {
        for (const std::string& method : methods) {
            if (method == baseline) continue;
            for (const std::string& metric : table.metrics) {
                std::map<std::string, double> base;
                for (const auto& [id, value] : table.values[group][baseline][metric]) {
                    base[id] = value;
                }
                std::vector<double> a, b;
                for (const auto& [id, value] : table.values[group][method][metric]) {
                    if (const auto found = base.find(id); found != base.end()) {
                        a.push_back(value);
                        b.push_back(found->second);
                    }
                }
                if (a.empty()) continue;
                const Interval interval = bootstrap_difference(a, b, seed);
                out.push_back({{"group", group},
                               {"method", method},
                               {"baseline", baseline},
                               {"metric", metric},
                               {"budget", budget_of(metric)},
                               {"difference", interval.mean},
                               {"low", bound(interval, interval.low)},
                               {"high", bound(interval, interval.high)},
                               {"n", interval.n}});
            }
        }
    }
    return out;
}

}  // namespace s3attn::eval
