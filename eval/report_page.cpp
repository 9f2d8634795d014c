#include <algorithm>
#include <map>

#include "eval/report.h"
#include "eval/report_figures.h"
#include "eval/report_plot.h"
#include "eval/report_questions.h"
#include "eval/report_tables.h"

namespace s3attn::eval {
namespace {

constexpr const char* kStyle = R"(
:root { color-scheme: light dark; --bg:#fdfdfc; --fg:#1d1f21; --soft:#5d646b; --rule:#d9dcdf;
 --panel:#f3f4f4; --mark:#ffe38a; --gold:#b07d00; --c0:#0f6fb5; --c1:#c4540a; --c2:#12855f;
 --c3:#a8327f; --c4:#7a5cc4; --c5:#8a6d00; --c6:#b8304a; --c7:#4d5a66; }
@media (prefers-color-scheme: dark) { :root { --bg:#16181a; --fg:#e4e6e8; --soft:#9aa3ab;
 --rule:#353a3f; --panel:#1f2326; --mark:#6b5410; --gold:#e0ad2e; --c0:#5fb0ec; --c1:#f0894a;
 --c2:#4cc79b; --c3:#e07fc0; --c4:#ad96f0; --c5:#d6b93f; --c6:#f07a8c; --c7:#aab5bf; } }
* { box-sizing: border-box; }
body { margin:0; background:var(--bg); color:var(--fg); font:16px/1.5 system-ui,sans-serif; }
main { max-width:1120px; margin:0 auto; padding:24px 20px 80px; }
h1 { font-size:1.6rem; margin:.2em 0 .6em; } h2 { font-size:1.25rem; margin:2.4em 0 .4em;
 padding-top:.8em; border-top:2px solid var(--rule); } h3 { font-size:1.05rem; margin:1.6em 0 .4em; }
h5 { margin:.2em 0; font-size:.95rem; }
.scroll { overflow-x:auto; } table { border-collapse:collapse; font-size:.86rem;
 font-variant-numeric:tabular-nums; } th,td { padding:4px 10px; border-bottom:1px solid var(--rule);
 text-align:right; white-space:nowrap; vertical-align:top; } th:first-child { text-align:left;
 white-space:normal; min-width:14em; max-width:26em; font-weight:500; } thead th { color:var(--soft);
 font-weight:600; } td strong { color:var(--c0); }
.note,.place { color:var(--soft); font-size:.85rem; } dl { display:grid;
 grid-template-columns:max-content 1fr; gap:2px 16px; margin:.4em 0; font-size:.9rem; }
dt { color:var(--soft); } dd { margin:0; min-width:0; overflow-wrap:anywhere; }
ul.evidence,ol.evidence { padding-left:1.6em; }
.plots { display:grid; grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr)); gap:20px; }
figure { margin:0; background:var(--panel); border-radius:8px; padding:12px; }
figcaption { font-weight:600; font-size:.92rem; margin-bottom:6px; }
.plot { width:100%; height:auto; display:block; } .plot text { font:12px system-ui,sans-serif;
 fill:var(--soft); } .grid { stroke:var(--rule); } .axis { stroke:var(--soft); }
.line { fill:none; stroke-width:2; } .whisker { stroke-width:1.5; opacity:.55; }
.legend { list-style:none; display:flex; flex-wrap:wrap; gap:2px 14px; padding:0; margin:8px 0 0;
 font-size:.84rem; } .legend svg { vertical-align:-2px; }
details { margin:.5em 0; } summary { cursor:pointer; } .question { border:1px solid var(--rule);
 border-radius:6px; padding:6px 12px; } .question[open] > summary { font-weight:600; }
.group { color:var(--soft); font-size:.85rem; margin-right:.4em; }
.method { border-top:1px solid var(--rule); padding:8px 0; } .method p { margin:.2em 0; }
.metric { display:inline-block; background:var(--panel); border-radius:4px; padding:0 6px;
 font-size:.82rem; margin:1px 0; font-variant-numeric:tabular-nums; }
blockquote { margin:4px 0 8px; min-width:0; padding:6px 10px; background:var(--panel); border-radius:4px;
 white-space:pre-wrap; overflow-wrap:anywhere; font-size:.9rem; max-height:22em; overflow:auto; }
.answer { border-left:3px solid var(--c0); } .gold > blockquote { border-left:3px solid var(--gold); }
mark { background:var(--mark); color:inherit; } code { font-size:.9em; overflow-wrap:anywhere; }
@media print { details { display:block; } .plots { grid-template-columns:1fr 1fr; } }
)";

std::string definition(const std::string& term, const std::string& text) {
    return text.empty() ? ""
                        : "<dt>" + escape_html(term) + "</dt><dd>" + escape_html(text) + "</dd>";
}

std::string file_text(const Json& document, const char* name) {
    if (!document.contains(name) || !document[name].is_object()) return "";
    const Json& file = document[name];
    const std::string shown =
        text_field(file, "name").empty() ? text_field(file, "path") : text_field(file, "name");
    const std::string hash = text_field(file, "hash");
    return hash.empty() ? shown : shown + " (" + hash + ")";
}

std::string value_text(const Json& value) {
    return value.is_string() ? value.get<std::string>() : dump_json(value);
}

std::string machine_text(const Json& document) {
    if (!document.contains("machine") || !document["machine"].is_object()) return "";
    std::string out;
    for (const auto& [name, value] : document["machine"].items()) {
        if (value.is_null() || (value.is_string() && value.get<std::string>().empty())) continue;
        out += (out.empty() ? "" : "; ") + name + " ";
        out += name == "memory_bytes" && value.is_number()
                   ? short_number(value.get<double>() / 1073741824.0) + " GiB"
                   : value_text(value);
    }
    return out;
}

std::string run_title(const ReportRun& run) {
    const Json& data = run.document["data"];
    std::string path = text_field(data, "path");
    while (path.ends_with('/')) path.pop_back();
    const size_t slash = path.rfind('/');
    return text_field(run.document, "task") + ": " +
           (slash == std::string::npos ? path : path.substr(slash + 1));
}

std::string joined(const std::vector<std::string>& parts, const char* between) {
    std::string out;
    for (const std::string& part : parts) {
        if (part.empty()) continue;
        out += (out.empty() ? "" : between) + part;
    }
    return out;
}

// What a run was made of, on one line: tables are copied out of their report.
std::string identity(const ReportRun& run) {
    const Json& document = run.document;
    std::vector<std::string> parts{"Run " + joined(run.directories, ", "),
                                   "data " + text_field(document["data"], "xxh3")};
    for (const char* name : {"model", "adapter", "reader"}) {
        const std::string text = file_text(document, name);
        if (!text.empty()) parts.push_back(std::string(name) + " " + text);
    }
    const Json none = Json::object();
    const Json& options = document.contains("options") ? document["options"] : none;
    if (!text_field(options, "chat_template").empty()) {
        parts.push_back("chat template " + text_field(options, "chat_template"));
    }
    parts.push_back("seed " + std::to_string(static_cast<int64_t>(number_field(document, "seed"))));
    parts.push_back("commit " + text_field(document, "git_commit"));
    parts.push_back(text_field(document, "started"));
    return joined(parts, "; ") + ".";
}

std::string about(const ReportRun& run) {
    const Json& document = run.document;
    const Json& data = document["data"];
    std::string out =
        "<dl>" + definition("run", joined(run.directories, ", ")) +
        definition("data", text_field(data, "path") + " (" + text_field(data, "xxh3") + ")");
    std::string counts;
    for (const char* name : {"questions", "documents", "units", "tokens"}) {
        if (!data.contains(name)) continue;
        counts += (counts.empty() ? "" : ", ") +
                  std::to_string(static_cast<int64_t>(number_field(data, name))) + " " + name;
    }
    out +=
        definition("size", counts) + definition("model", file_text(document, "model")) +
        definition("adapter", file_text(document, "adapter")) +
        definition("reader", file_text(document, "reader")) +
        definition("program", text_field(document, "program_version") + ", commit " +
                                  text_field(document, "git_commit")) +
        definition("machine", machine_text(document)) +
        definition("time", text_field(document, "started") + " to " +
                               text_field(document, "finished") + ", " +
                               short_number(number_field(document, "seconds")) + " s") +
        definition("seed", std::to_string(static_cast<int64_t>(number_field(document, "seed")))) +
        "</dl>";
    if (!document.contains("options") || !document["options"].is_object()) return out;
    out += "<details><summary>All options</summary><dl>";
    for (const auto& [name, value] : document["options"].items()) {
        out += definition(name, value_text(value).empty() ? "-" : value_text(value));
    }
    return out + "</dl></details>";
}

std::string first_group(const std::vector<Figure>& figures) {
    const std::vector<std::string> groups = groups_of(figures);
    return groups.empty() ? "" : groups.front();
}

void sort_points(PlotSeries& series) {
    std::sort(series.points.begin(), series.points.end(),
              [](const PlotPoint& a, const PlotPoint& b) { return a.x < b.x; });
}

size_t place_of(const std::string& method, const std::vector<MethodCost>& costs) {
    const auto found = std::find_if(costs.begin(), costs.end(),
                                    [&](const MethodCost& cost) { return cost.name == method; });
    return static_cast<size_t>(found - costs.begin());
}

// One line a method: evidence recall at each budget, or the score at each.
Plot budget_plot(const std::vector<Figure>& figures, const std::string& group,
                 const std::vector<MethodCost>& costs, bool retrieval) {
    Plot plot;
    plot.title = retrieval ? "Evidence recall against budget" : "Score against budget";
    plot.x_label = "tokens of evidence";
    plot.y_label = retrieval ? "share of the evidence" : "score";
    plot.log_x = true;
    std::vector<std::string> order;
    std::map<std::string, std::vector<PlotPoint>> points;
    for (const Figure& figure : figures) {
        if (figure.group != group) continue;
        int64_t budget = figure.budget;
        const std::string family = retrieval ? metric_family(figure.metric, budget) : figure.metric;
        if (budget < 0) budget = figure.budget;
        if (family != (retrieval ? "ev" : "score")) continue;
        if (!points.contains(figure.method)) order.push_back(figure.method);
        points[figure.method].push_back({static_cast<double>(std::max<int64_t>(budget, 0)),
                                         figure.mean, figure.low, figure.high});
    }
    // In the order of the other plots, for the same colours.
    std::stable_sort(order.begin(), order.end(), [&](const std::string& a, const std::string& b) {
        return place_of(a, costs) < place_of(b, costs);
    });
    for (const std::string& method : order) {
        plot.series.push_back({method, points[method]});
        sort_points(plot.series.back());
    }
    return plot;
}

// One line a method, a point a budget: the main metric over something that it costs.
Plot cost_plot(const Json& document, const std::vector<Figure>& figures, const std::string& group,
               bool time) {
    const std::string metric = main_metric(document);
    Plot plot;
    plot.title = metric + (time ? " against time" : " against the size of the index");
    plot.x_label = time ? "seconds per question (retrieve, prefill, decode)" : "bytes per token";
    plot.y_label = metric;
    plot.log_x = true;
    for (const MethodCost& cost : costs_of(document)) {
        const double x = time ? cost.seconds_per_question : cost.bytes_per_token;
        if (x < 0) continue;
        for (const Figure& figure : figures) {
            if (figure.group != group || figure.method != cost.name || figure.metric != metric ||
                (cost.budget >= 0 && figure.budget != cost.budget)) {
                continue;
            }
            if (plot.series.empty() || plot.series.back().name != cost.name) {
                plot.series.push_back({cost.name, {}});
            }
            plot.series.back().points.push_back({x, figure.mean, figure.low, figure.high});
        }
    }
    for (PlotSeries& series : plot.series) sort_points(series);
    return plot;
}

std::string plots(const Json& document) {
    const std::vector<Figure> figures = figures_of(document);
    const std::string group = first_group(figures);
    const bool retrieval = main_metric(document) != "score";
    const std::string drawn = svg_plot(budget_plot(figures, group, costs_of(document), retrieval)) +
                              svg_plot(cost_plot(document, figures, group, false)) +
                              svg_plot(cost_plot(document, figures, group, true));
    if (drawn.empty()) return "";
    return "<h3>Plots" + (group.empty() ? "" : " (" + escape_html(group) + ")") +
           "</h3><div class=\"plots\">" + drawn + "</div>";
}

std::string run_html(const ReportRun& run, const ReportOptions& options) {
    std::string out = "<h2>" + escape_html(run_title(run)) + "</h2>" + about(run);
    const std::vector<Table> tables = tables_of(run.document);
    for (const Table& table : tables) {
        if (!table.folded) out += html_table(table);
    }
    out += plots(run.document);
    for (const Table& table : tables) {
        if (table.folded) out += html_table(table);
    }
    return out + html_questions(run.document["rows"], main_metric(run.document), options.questions);
}

}  // namespace

std::string html_report(const std::vector<ReportRun>& runs, const ReportOptions& options) {
    std::string out =
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
        "'unsafe-inline'\"><title>s3attn evaluation</title><style>" +
        std::string(kStyle) + "</style></head><body><main><h1>s3attn evaluation</h1>";
    out +=
        "<p class=\"note\">Brackets hold bootstrap 95 % intervals over questions; n is the number "
        "of questions.</p>";
    for (const ReportRun& run : runs) out += run_html(run, options);
    return out + "</main></body></html>\n";
}

std::string markdown_report(const std::vector<ReportRun>& runs) {
    std::string out;
    for (const ReportRun& run : runs) {
        out += "### " + run_title(run) + "\n\n" + identity(run) + "\n\n";
        for (const Table& table : tables_of(run.document)) out += markdown_table(table);
    }
    return out;
}

}  // namespace s3attn::eval
