#include "eval/report_tables.h"

#include <algorithm>
#include <map>

#include "eval/report_figures.h"
#include "eval/report_plot.h"

namespace s3attn::eval {
namespace {

constexpr size_t kOpenGroups = 1;  // groups whose tables are unfolded

std::string interval(double mean, double low, double high) {
    std::string text = short_number(mean);
    if (high > low) text += " [" + short_number(low) + ", " + short_number(high) + "]";
    return text;
}

template <class T>
void add_once(std::vector<T>& list, const T& entry) {
    if (std::find(list.begin(), list.end(), entry) == list.end()) list.push_back(entry);
}

std::string group_title(const std::string& group) {
    return group.empty() ? "all questions" : group;
}

// Methods down, metrics across. Best means of each metric are strong.
Table figure_table(const std::vector<Figure>& figures, const std::string& group) {
    Table table;
    table.title = group_title(group);
    std::vector<std::string> metrics;
    std::vector<std::pair<std::string, int64_t>> methods;
    std::map<std::string, double> best;
    for (const Figure& figure : figures) {
        if (figure.group != group) continue;
        add_once(metrics, figure.metric);
        add_once(methods, {figure.method, figure.budget});
    }
    table.head = {"method", "n"};
    table.head.insert(table.head.end(), metrics.begin(), metrics.end());
    const auto find = [&](const std::pair<std::string, int64_t>& method,
                          const std::string& metric) {
        return std::find_if(figures.begin(), figures.end(), [&](const Figure& figure) {
            return figure.group == group && figure.method == method.first &&
                   figure.budget == method.second && figure.metric == metric;
        });
    };
    for (const auto& method : methods) {
        std::vector<Table::Cell> row{{method_at(method.first, method.second)}, {""}};
        size_t n = 0;
        for (const std::string& metric : metrics) {
            const auto figure = find(method, metric);
            if (figure == figures.end()) {
                row.push_back({""});
                continue;
            }
            n = std::max(n, figure->n);
            row.push_back({interval(figure->mean, figure->low, figure->high)});
        }
        row[1].text = std::to_string(n);
        table.rows.push_back(std::move(row));
    }
    return table;
}

Table paired_table(const std::vector<PairedFigure>& figures, const std::string& group) {
    Table table;
    table.title = group_title(group) + ": against " + figures.front().baseline;
    table.note = "Differences question by question; strong where the 95 % interval excludes zero.";
    std::vector<std::string> metrics;
    std::vector<std::pair<std::string, int64_t>> methods;
    bool ratios = false;
    for (const PairedFigure& figure : figures) {
        if (figure.group != group) continue;
        add_once(metrics, figure.metric);
        add_once(methods, {figure.method, figure.budget});
        ratios |= figure.has_ratio && figure.metric == "score";
    }
    table.head = {"method"};
    table.head.insert(table.head.end(), metrics.begin(), metrics.end());
    if (ratios) table.head.push_back("share of its score");
    for (const auto& method : methods) {
        std::vector<Table::Cell> row{{method_at(method.first, method.second)}};
        std::string share;
        for (const std::string& metric : metrics) {
            Table::Cell cell;
            for (const PairedFigure& figure : figures) {
                if (figure.group != group || figure.method != method.first ||
                    figure.budget != method.second || figure.metric != metric) {
                    continue;
                }
                cell.text = (figure.difference > 0 ? "+" : "") +
                            interval(figure.difference, figure.low, figure.high);
                cell.strong = figure.high > figure.low && (figure.low > 0 || figure.high < 0);
                if (metric == "score" && figure.ratio > 0) {
                    share = short_number(100 * figure.ratio) + " %";
                }
            }
            row.push_back(std::move(cell));
        }
        if (ratios) row.push_back({share});
        table.rows.push_back(std::move(row));
    }
    return table;
}

std::string bytes_text(double bytes) {
    if (bytes <= 0) return "";
    if (bytes < 1024 * 1024) return short_number(bytes / 1024) + " KiB";
    if (bytes < 1024.0 * 1024 * 1024) return short_number(bytes / 1024 / 1024) + " MiB";
    return short_number(bytes / 1024 / 1024 / 1024) + " GiB";
}

Table cost_table(const std::vector<MethodCost>& costs) {
    Table table;
    table.title = "What each method costs";
    table.note =
        "Seconds over the whole run: the index stages once per document, the others once per "
        "question. Loading is counted once.";
    std::vector<std::string> stages;
    for (const MethodCost& cost : costs) {
        for (const auto& stage : cost.stages) add_once(stages, stage.first);
    }
    table.head = {"method", "index", "bytes per token", "index, s"};
    for (const std::string& stage : stages) {
        std::string name = stage;
        std::replace(name.begin(), name.end(), '_', ' ');
        table.head.push_back(name + ", s");
    }
    table.head.push_back("s per question");
    table.head.push_back("peak memory");
    for (const MethodCost& cost : costs) {
        std::vector<Table::Cell> row{
            {method_at(cost.name, cost.budget) +
             (cost.label.empty() || cost.label == cost.name ? "" : " (" + cost.label + ")")},
            {bytes_text(cost.index_bytes)},
            {cost.bytes_per_token > 0 ? short_number(cost.bytes_per_token) : ""},
            {cost.index_seconds > 0 ? short_number(cost.index_seconds) : ""}};
        for (const std::string& stage : stages) {
            const auto found =
                std::find_if(cost.stages.begin(), cost.stages.end(),
                             [&](const auto& entry) { return entry.first == stage; });
            row.push_back({found == cost.stages.end() || found->second <= 0
                               ? ""
                               : short_number(found->second)});
        }
        row.push_back(
            {cost.seconds_per_question > 0 ? short_number(cost.seconds_per_question) : ""});
        row.push_back({bytes_text(cost.peak_rss_bytes)});
        table.rows.push_back(std::move(row));
    }
    return table;
}

std::string whole(const Json& json, const char* name) {
    return std::to_string(static_cast<int64_t>(number_field(json, name)));
}

Table count_table(const Json& counts) {
    Table table;
    table.title = "Prompts cut, answers withheld";
    table.note =
        "Prompts that did not fit the reader's window lost their middle. Withheld: the answer says "
        "that the text does not hold one, or the method found no evidence and did not ask.";
    table.head = {"task and method", "answers", "cut", "withheld"};
    table.folded = true;
    for (const Json& count : counts) {
        const Json budget = count.is_object() ? count.value("budget", Json()) : Json();
        table.rows.push_back({{text_field(count, "task") + ": " +
                               method_at(text_field(count, "method"),
                                         budget.is_number_integer() ? budget.get<int64_t>() : -1)},
                              {whole(count, "rows")},
                              {whole(count, "truncated")},
                              {whole(count, "withheld")}});
    }
    return table;
}

}  // namespace

std::vector<Table> tables_of(const Json& document) {
    std::vector<Table> tables;
    const std::vector<Figure> figures = figures_of(document);
    const std::vector<PairedFigure> paired = paired_of(document);
    const std::vector<std::string> groups = groups_of(figures);
    for (size_t g = 0; g < groups.size(); ++g) {
        tables.push_back(figure_table(figures, groups[g]));
        tables.back().folded = g >= kOpenGroups;
        std::vector<PairedFigure> own;
        for (const PairedFigure& figure : paired) {
            if (figure.group == groups[g]) own.push_back(figure);
        }
        if (own.empty()) continue;
        tables.push_back(paired_table(own, groups[g]));
        tables.back().folded = g >= kOpenGroups;
    }
    const std::vector<MethodCost> costs = costs_of(document);
    if (!costs.empty()) tables.push_back(cost_table(costs));
    if (document.contains("counts") && document["counts"].is_array() &&
        !document["counts"].empty()) {
        tables.push_back(count_table(document["counts"]));
    }
    return tables;
}

std::string html_table(const Table& table) {
    std::string out = "<div class=\"scroll\"><table><thead><tr>";
    for (const std::string& head : table.head) out += "<th>" + escape_html(head) + "</th>";
    out += "</tr></thead><tbody>";
    for (const auto& row : table.rows) {
        out += "<tr>";
        for (size_t i = 0; i < row.size(); ++i) {
            const std::string text = escape_html(row[i].text);
            out += i == 0 ? "<th scope=\"row\">" : "<td>";
            out += row[i].strong ? "<strong>" + text + "</strong>" : text;
            out += i == 0 ? "</th>" : "</td>";
        }
        out += "</tr>";
    }
    out += "</tbody></table></div>";
    if (!table.note.empty()) out += "<p class=\"note\">" + escape_html(table.note) + "</p>";
    const std::string title = escape_html(table.title);
    if (table.folded) return "<details><summary>" + title + "</summary>" + out + "</details>";
    return "<h3>" + title + "</h3>" + out;
}

std::string markdown_table(const Table& table) {
    const auto cell = [](const std::string& text) {
        std::string out;
        for (const char c : text) out += c == '|' ? "\\|" : c == '\n' ? " " : std::string(1, c);
        return out;
    };
    std::string out = "**" + cell(table.title) + "**\n\n|", rule = "|";
    for (const std::string& head : table.head) {
        out += " " + cell(head) + " |";
        rule += " --- |";
    }
    out += "\n" + rule + "\n";
    for (const auto& row : table.rows) {
        out += "|";
        for (const Table::Cell& entry : row) {
            const std::string text = cell(entry.text);
            out += " " + (entry.strong && !text.empty() ? "**" + text + "**" : text) + " |";
        }
        out += "\n";
    }
    if (!table.note.empty()) out += "\n" + table.note + "\n";
    return out + "\n";
}

}  // namespace s3attn::eval
