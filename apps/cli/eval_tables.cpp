#include "eval_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "progress_bar.h"
#include "train/bootstrap.h"

namespace s3attn::cli {
namespace {

using eval::Json;
using Rows = std::vector<std::vector<std::string>>;

// The first row is the heading; columns but the first are aligned right.
void print_table(const std::string& title, const Rows& rows) {
    if (rows.size() < 2) return;
    std::vector<size_t> widths(rows[0].size(), 0);
    for (const auto& row : rows) {
        for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
    }
    std::printf("\n%s\n", title.c_str());
    for (const auto& row : rows) {
        std::string line;
        for (size_t c = 0; c < row.size(); ++c) {
            line += c == 0 ? fmt::format("  {:<{}}", row[c], widths[c])
                           : fmt::format("  {:>{}}", row[c], widths[c]);
        }
        std::printf("%s\n", line.c_str());
    }
}

const Json* find(const Json& list, const std::string& group, const std::string& method,
                 const std::string& metric) {
    for (const Json& entry : list) {
        if (entry["group"] == group && entry["method"] == method && entry["metric"] == metric) {
            return &entry;
        }
    }
    return nullptr;
}

std::string share(double value) {
    std::string text = fmt::format("{:.3f}", value);
    if (text.starts_with("0.")) return text.substr(1);
    return text;
}

std::string with_interval(const Json* entry) {
    if (entry == nullptr) return "-";
    if ((*entry)["low"].is_null()) return share((*entry)["mean"]);
    return fmt::format("{} [{}, {}]", share((*entry)["mean"]), share((*entry)["low"]),
                       share((*entry)["high"]));
}

std::string difference(const Json* entry) {
    if (entry == nullptr) return "-";
    if ((*entry)["low"].is_null()) return fmt::format("{:+.3f}", double((*entry)["difference"]));
    return fmt::format("{:+.3f} [{:+.3f}, {:+.3f}]", double((*entry)["difference"]),
                       double((*entry)["low"]), double((*entry)["high"]));
}

std::vector<std::string> names(const Json& list, const char* field) {
    std::vector<std::string> out;
    for (const Json& entry : list) {
        const auto name = entry[field].get<std::string>();
        if (std::find(out.begin(), out.end(), name) == out.end()) out.push_back(name);
    }
    return out;
}

std::string heading(const std::string& metric) {
    if (metric == "mrr") return "MRR";
    if (metric == "doc_ndcg10") return "nDCG@10";
    if (metric == "doc_map") return "MAP";
    if (metric == "doc_recall100") return "recall@100";
    if (metric == "doc_rr") return "RR";
    if (metric.starts_with("all")) return "all@" + metric.substr(3);
    if (metric.starts_with("ev")) return "ev@" + metric.substr(2);
    if (metric.starts_with("r") && metric.size() <= 3) return "R@" + metric.substr(1);
    return metric;
}

std::vector<std::string> starting_with(const std::vector<std::string>& metrics,
                                       std::initializer_list<const char*> prefixes) {
    std::vector<std::string> out;
    for (const std::string& metric : metrics) {
        for (const char* prefix : prefixes) {
            if (metric.starts_with(prefix)) out.push_back(metric);
        }
    }
    return out;
}

void print_metrics(const Json& record, const std::string& title,
                   const std::vector<std::string>& metrics) {
    Rows rows(1, {"method"});
    for (const std::string& metric : metrics) rows[0].push_back(heading(metric));
    for (const Json& method : record["methods"]) {
        const auto name = method["name"].get<std::string>();
        rows.push_back({name});
        for (const std::string& metric : metrics) {
            rows.back().push_back(with_interval(find(record["summary"], "all", name, metric)));
        }
    }
    if (!metrics.empty()) print_table(title, rows);
}

void print_groups(const Json& record, const std::vector<std::string>& metrics) {
    const std::vector<std::string> groups = names(record["summary"], "group");
    if (groups.size() < 2 || metrics.empty()) return;
    Rows rows(1, {"method"});
    const std::string& metric = metrics[metrics.size() / 2];
    const bool withheld = metric == "withheld";
    for (const std::string& group : groups) rows[0].push_back(group);
    for (const Json& method : record["methods"]) {
        const auto name = method["name"].get<std::string>();
        rows.push_back({name});
        for (const std::string& group : groups) {
            const Json* entry = find(record["summary"], group, name, metric);
            rows.back().push_back(
                entry == nullptr
                    ? "-"
                    : fmt::format("{} (n={})", share((*entry)["mean"]), int((*entry)["n"])));
        }
        if (withheld && rows.back()[1] == "-") rows.pop_back();
    }
    print_table(
        (withheld ? "Share of questions where the answer would be withheld" : heading(metric)) +
            std::string(", by kind of question"),
        rows);
}

void print_paired(const Json& record, const std::vector<std::string>& metrics) {
    Rows rows(1, {"method"});
    for (const std::string& metric : metrics) rows[0].push_back(heading(metric));
    for (const std::string& name : names(record["paired"], "method")) {
        rows.push_back({name});
        for (const std::string& metric : metrics) {
            rows.back().push_back(difference(find(record["paired"], "all", name, metric)));
        }
    }
    const std::string baseline = record["options"].value("baseline", std::string());
    print_table("Difference to " + baseline + ", question by question", rows);
}

std::string number(double value, int digits) { return fmt::format("{:.{}f}", value, digits); }

void print_costs(const Json& record) {
    Rows rows(1, {"method", "index s", "scan s", "encode s", "write s", "bytes/token", "load s",
                  "ms/question", "peak MiB (index)", "(retrieve)"});
    const double questions = record["data"]["questions"];
    for (const Json& method : record["methods"]) {
        const Json& stages = method["stages"];
        rows.push_back({method["name"], number(method["index_seconds"], 1),
                        number(stages["scan"], 1), number(stages["encode"], 1),
                        number(stages["index_write"], 1),
                        number(method["index_bytes_per_token"], 1), number(stages["load"], 1),
                        number(double(stages["retrieve"]) * 1e3 / std::max(questions, 1.0), 1),
                        number(double(method["index_peak_rss_bytes"]) / 1048576, 0),
                        number(double(method["retrieve_peak_rss_bytes"]) / 1048576, 0)});
    }
    print_table("Cost: one index for all questions", rows);
}

}  // namespace

void print_retrieval_tables(const Json& record) {
    const Json& data = record["data"];
    size_t with_evidence = 0;
    for (const Json& entry : record["summary"]) {
        if (entry["group"] == "all" && entry["metric"] == "mrr") {
            with_evidence = std::max(with_evidence, entry["n"].get<size_t>());
        }
    }
    std::printf("%s: %s questions (%zu with evidence to find), %s documents, %s units, %s tokens\n",
                data["path"].get<std::string>().c_str(), group_digits(data["questions"]).c_str(),
                with_evidence, group_digits(data["documents"]).c_str(),
                group_digits(data["units"]).c_str(), group_digits(data["tokens"]).c_str());
    std::printf("model %s; %s, n = %zu\n", record["model"]["name"].get<std::string>().c_str(),
                with_evidence < kFewestForInterval ? "too few questions for intervals"
                                                   : "95 % bootstrap intervals in brackets",
                with_evidence);
    const std::vector<std::string> metrics = names(record["summary"], "metric");
    const auto evidence = starting_with(metrics, {"ev"});
    print_metrics(record, "Evidence among the first units", starting_with(metrics, {"r", "mrr"}));
    print_metrics(record, "Whole documents, by trec_eval's definitions",
                  starting_with(metrics, {"doc_"}));
    print_metrics(record, "Share of the evidence within a budget of tokens", evidence);
    print_metrics(record, "All evidence within a budget of tokens",
                  starting_with(metrics, {"all"}));
    print_groups(record, evidence);
    print_groups(record, starting_with(metrics, {"withheld"}));
    print_paired(record, evidence);
    print_costs(record);
}

namespace {

std::string where_it_is(const Json& side) {
    std::string text = side["path"].get<std::string>();
    for (const char* name : {"model", "adapter", "reader"}) {
        if (!side.contains(name) || !side[name].is_object()) continue;
        const Json& file = side[name];
        const std::string shown = file.value("name", file.value("path", std::string()));
        text += fmt::format("; {} {} ({})", name, shown, file.value("hash", std::string()));
    }
    return text;
}

}  // namespace

void print_comparison(const Json& compared) {
    std::printf("A: %s\nB: %s\n", where_it_is(compared["a"]).c_str(),
                where_it_is(compared["b"]).c_str());
    for (const auto& [name, values] : compared["options_that_differ"].items()) {
        std::printf("   %s: %s in A, %s in B\n", name.c_str(), values["a"].dump().c_str(),
                    values["b"].dump().c_str());
    }
    const Json& questions = compared["questions"];
    std::printf("%zu questions in both, %zu in A alone, %zu in B alone\n",
                questions["both"].get<size_t>(), questions["only_a"].get<size_t>(),
                questions["only_b"].get<size_t>());
    for (const Json& note : compared["notes"]) {
        std::printf("note: %s\n", note.get<std::string>().c_str());
    }
    Rows rows(1, {"figure", "A", "B", "B - A", "n"});
    for (const Json& entry : compared["differences"]) {
        std::string name = entry["method"].get<std::string>();
        const auto group = entry["group"].get<std::string>();
        if (group != "all" && !group.empty()) name = group + ", " + name;
        const auto metric = entry["metric"].get<std::string>();
        name += ", " + heading(metric);
        if (entry["budget"].is_number() && heading(metric) == metric) {
            name += " at " + entry["budget"].dump();
        }
        rows.push_back(
            {name, share(entry["a"]), share(entry["b"]), difference(&entry), entry["n"].dump()});
    }
    print_table("Differences question by question, 95 % bootstrap intervals in brackets", rows);
}

}  // namespace s3attn::cli
