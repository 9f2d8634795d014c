#include "eval/report_figures.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "train/bootstrap.h"

namespace s3attn::eval {
namespace {

int64_t budget_field(const Json& json) {
    return json.contains("budget") && json["budget"].is_number_integer()
               ? json["budget"].get<int64_t>()
               : -1;
}

std::string printed(const char* format, double value) {
    char text[48];
    std::snprintf(text, sizeof text, format, value);
    return text;
}

// Where the metric's own name says it ("ev1024"), a budget beside it says nothing more.
int64_t own_budget(const Json& entry) {
    int64_t named = -1;
    metric_family(text_field(entry, "metric"), named);
    return named >= 0 ? -1 : budget_field(entry);
}

// Records of older programs have intervals of any number of questions.
template <class F>
void drop_unknown(F& figure, double middle) {
    if (figure.n < kFewestForInterval) figure.low = figure.high = middle;
}

}  // namespace

const Json& list_of(const Json& json, const char* name) {
    static const Json none = Json::array();
    return json.is_object() && json.contains(name) && json[name].is_array() ? json[name] : none;
}

std::string text_field(const Json& json, const char* name) {
    return json.is_object() && json.contains(name) && json[name].is_string()
               ? json[name].get<std::string>()
               : "";
}

double number_field(const Json& json, const char* name, double otherwise) {
    return json.is_object() && json.contains(name) && json[name].is_number()
               ? json[name].get<double>()
               : otherwise;
}

bool flag_field(const Json& json, const char* name) {
    return json.is_object() && json.contains(name) && json[name] == true;
}

std::vector<Figure> figures_of(const Json& document) {
    std::vector<Figure> out;
    for (const Json& entry : list_of(document, "summary")) {
        out.push_back({text_field(entry, "group"), text_field(entry, "method"),
                       text_field(entry, "metric"), own_budget(entry), number_field(entry, "mean"),
                       number_field(entry, "low"), number_field(entry, "high"),
                       static_cast<size_t>(number_field(entry, "n"))});
        drop_unknown(out.back(), out.back().mean);
    }
    return out;
}

std::vector<PairedFigure> paired_of(const Json& document) {
    std::vector<PairedFigure> out;
    for (const Json& entry : list_of(document, "paired")) {
        PairedFigure figure{text_field(entry, "group"),
                            text_field(entry, "method"),
                            text_field(entry, "baseline"),
                            text_field(entry, "metric"),
                            own_budget(entry),
                            number_field(entry, "difference"),
                            number_field(entry, "low"),
                            number_field(entry, "high"),
                            number_field(entry, "ratio"),
                            entry.is_object() && entry.contains("ratio"),
                            static_cast<size_t>(number_field(entry, "n"))};
        drop_unknown(figure, figure.difference);
        out.push_back(std::move(figure));
    }
    return out;
}

std::vector<MethodCost> costs_of(const Json& document) {
    std::vector<MethodCost> out;
    const double all_questions =
        document.contains("data") ? number_field(document["data"], "questions") : 0;
    for (const Json& entry : list_of(document, "methods")) {
        MethodCost cost;
        cost.name = text_field(entry, "name");
        cost.label = text_field(entry, "label");
        cost.budget = budget_field(entry);
        cost.index_bytes = number_field(entry, "index_bytes");
        cost.bytes_per_token = number_field(entry, "index_bytes_per_token");
        cost.index_seconds = number_field(entry, "index_seconds");
        cost.peak_rss_bytes = number_field(entry, "peak_rss_bytes");
        double per_question = 0;
        if (entry.is_object() && entry.contains("stages") && entry["stages"].is_object()) {
            for (const auto& [stage, seconds] : entry["stages"].items()) {
                if (!seconds.is_number()) continue;
                cost.stages.emplace_back(stage, seconds.get<double>());
                if (stage == "retrieve" || stage == "prefill" || stage == "decode") {
                    per_question += seconds.get<double>();
                }
            }
        }
        const double n = number_field(entry, "questions", all_questions);
        cost.seconds_per_question = n > 0 ? per_question / n : -1;
        out.push_back(std::move(cost));
    }
    return out;
}

std::string metric_family(const std::string& metric, int64_t& budget) {
    size_t digits = metric.size();
    while (digits > 0 && metric[digits - 1] >= '0' && metric[digits - 1] <= '9') --digits;
    const std::string family = metric.substr(0, digits);
    budget = -1;
    // "f1" and "r10" are names of their own.
    if ((family != "ev" && family != "all") || digits == metric.size() ||
        metric.size() - digits > 9) {
        return metric;
    }
    budget = std::stoll(metric.substr(digits));
    return family;
}

std::string main_metric(const Json& document) {
    const std::vector<Figure> figures = figures_of(document);
    std::string best;
    int64_t best_distance = 0;
    for (const Figure& figure : figures) {
        if (figure.metric == "score") return "score";
        int64_t budget = -1;
        if (metric_family(figure.metric, budget) != "ev" || budget < 0) continue;
        const int64_t distance = std::abs(budget - 1024);
        if (best.empty() || distance < best_distance)
            best = figure.metric, best_distance = distance;
    }
    if (!best.empty()) return best;
    return figures.empty() ? "" : figures.front().metric;
}

std::vector<std::string> groups_of(const std::vector<Figure>& figures) {
    std::vector<std::string> groups;
    for (const Figure& figure : figures) {
        if (std::find(groups.begin(), groups.end(), figure.group) == groups.end()) {
            groups.push_back(figure.group);
        }
    }
    std::stable_partition(groups.begin(), groups.end(), [](const std::string& group) {
        return group.empty() || group == "all" || group.starts_with("all ");
    });
    return groups;
}

std::string method_at(const std::string& method, int64_t budget) {
    if (budget < 0) return method;
    std::string digits = std::to_string(budget);
    for (auto at = static_cast<ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3) {
        digits.insert(static_cast<size_t>(at), ",");
    }
    return method + ", " + digits + " tokens";
}

std::string short_number(double value) {
    const double size = std::abs(value);
    if (size >= 100) return printed("%.0f", value);
    if (size >= 10) return printed("%.1f", value);
    if (size >= 1) return printed("%.3f", value);
    std::string text = printed("%.3f", value);
    const size_t zero = text.find("0.");
    if (zero != std::string::npos && text != "0.000" && text != "-0.000") text.erase(zero, 1);
    if (text == "-0.000" || text == "0.000") text = "0";
    return text;
}

}  // namespace s3attn::eval
