#include "eval/report_questions.h"

#include <algorithm>
#include <map>
#include <vector>

#include "base/utf8.h"
#include "eval/report_figures.h"
#include "eval/report_plot.h"

namespace s3attn::eval {
namespace {

constexpr size_t kShownAnswers = 8;

struct Question {
    std::vector<const Json*> rows;
    double spread = 0;
};

struct Extent {
    double document = 0, begin = 0, end = 0;
};

Extent extent_of(const Json& piece) {
    return {number_field(piece, "document"), number_field(piece, "begin"),
            number_field(piece, "end")};
}

// The text of a piece with the parts marked that one of `others` covers, too.
std::string marked_text(const Json& piece, const std::vector<Extent>& others) {
    const std::string text = text_field(piece, "text");
    const Extent own = extent_of(piece);
    std::vector<bool> covered(text.size(), false);
    for (const Extent& other : others) {
        if (other.document != own.document) continue;
        const double begin = std::max(other.begin, own.begin) - own.begin;
        const double end = std::min(other.end, own.end) - own.begin;
        for (auto i = static_cast<size_t>(std::max(begin, 0.0));
             end > 0 && i < std::min(text.size(), static_cast<size_t>(end)); ++i) {
            covered[i] = true;
        }
    }
    std::string out;
    for (size_t begin = 0; begin < text.size();) {
        size_t end = begin + 1;
        while (end < text.size() && (covered[end] == covered[begin] || utf8_continues(text[end]))) {
            ++end;
        }
        const std::string part = escape_html(std::string_view(text).substr(begin, end - begin));
        out += covered[begin] ? "<mark>" + part + "</mark>" : part;
        begin = end;
    }
    return out;
}

std::vector<Extent> extents(const Json& pieces) {
    std::vector<Extent> out;
    for (const Json& piece : pieces) out.push_back(extent_of(piece));
    return out;
}

std::string place(const Json& piece) {
    const auto whole = [&](const char* name) {
        return std::to_string(static_cast<int64_t>(number_field(piece, name)));
    };
    return "document " + whole("document") + ", bytes " + whole("begin") + " to " + whole("end");
}

std::string metrics_text(const Json& row) {
    std::string out;
    if (!row.contains("metrics") || !row["metrics"].is_object()) return out;
    for (const auto& [name, value] : row["metrics"].items()) {
        if (!value.is_number()) continue;
        out += "<span class=\"metric\">" + escape_html(name) + " " +
               short_number(value.get<double>()) + "</span> ";
    }
    return out;
}

// Ranks in front of the last passage shown that are not among the passages.
std::string passed_over_html(const Json& row) {
    double last = 0;
    for (const Json& piece : list_of(row, "evidence")) {
        last = std::max(last, number_field(piece, "rank"));
    }
    std::string ranks;
    for (const Json& unit : list_of(row, "first_units")) {
        const double rank = number_field(unit, "rank");
        if (rank >= last || flag_field(unit, "taken")) continue;
        ranks += (ranks.empty() ? "" : ", ") + std::to_string(static_cast<int64_t>(rank)) +
                 (flag_field(unit, "gold") ? " (gold)" : "");
    }
    if (ranks.empty()) return "";
    return "<p class=\"note\">Passed over, for they did not fit the budget: rank " + ranks + "</p>";
}

std::string evidence_html(const Json& row, const std::vector<Extent>& gold) {
    const Json& evidence = list_of(row, "evidence");
    if (evidence.empty()) return "";
    std::string out = "<details><summary>" + std::to_string(evidence.size()) +
                      " passages</summary>" + passed_over_html(row) + "<ol class=\"evidence\">";
    for (const Json& piece : evidence) {
        const bool is_gold = piece.is_object() && piece.contains("gold") &&
                             piece["gold"].is_boolean() && piece["gold"].get<bool>();
        const auto rank = static_cast<int64_t>(number_field(piece, "rank"));
        out += std::string(is_gold ? "<li class=\"gold\"" : "<li") +
               (rank > 0 ? " value=\"" + std::to_string(rank) + "\"" : "") + ">";
        out += "<span class=\"place\">" + place(piece) + ", score " +
               short_number(number_field(piece, "score")) + "</span><blockquote>" +
               marked_text(piece, gold) + "</blockquote></li>";
    }
    return out + "</ol></details>";
}

std::string method_html(const Json& row, const std::vector<Extent>& gold) {
    const Json budget = row.value("budget", Json());
    std::string out =
        "<section class=\"method\"><h5>" +
        escape_html(method_at(text_field(row, "method"),
                              budget.is_number_integer() ? budget.get<int64_t>() : -1)) +
        "</h5><p>" + metrics_text(row) + "</p>";
    if (row.contains("answer") && row["answer"].is_string()) {
        const std::string answer = text_field(row, "answer");
        out += answer.find_first_not_of(" \t\r\n") == std::string::npos
                   ? "<p class=\"note\">no answer</p>"
                   : "<blockquote class=\"answer\">" + escape_html(answer) + "</blockquote>";
    }
    if (flag_field(row, "truncated")) {
        out += "<p class=\"note\">The prompt of " +
               short_number(number_field(row, "whole_tokens")) +
               " tokens lost its middle: " + short_number(number_field(row, "prompt_tokens")) +
               " were read.</p>";
    }
    return out + evidence_html(row, gold) + "</section>";
}

// Gold evidence, the parts marked that at least one method retrieved.
std::string gold_html(const Question& question) {
    const Json& gold = list_of(*question.rows.front(), "gold");
    if (gold.empty()) return "";
    std::vector<Extent> retrieved;
    for (const Json* row : question.rows) {
        const std::vector<Extent> own = extents(list_of(*row, "evidence"));
        retrieved.insert(retrieved.end(), own.begin(), own.end());
    }
    std::string out =
        "<h5>Gold evidence (marked: found by at least one method)</h5><ul class=\"evidence\">";
    for (const Json& piece : gold) {
        out += "<li class=\"gold\"><span class=\"place\">" + place(piece) + "</span><blockquote>" +
               marked_text(piece, retrieved) + "</blockquote></li>";
    }
    return out + "</ul>";
}

std::string question_html(const Question& question, const std::string& metric) {
    const Json& first = *question.rows.front();
    std::string summary = escape_html(text_field(first, "group"));
    if (summary.empty()) summary = escape_html(text_field(first, "task"));
    std::string out = "<details class=\"question\"><summary>";
    if (!summary.empty()) out += "<span class=\"group\">" + summary + "</span> ";
    const std::string text = text_field(first, "question");
    std::string head = text.substr(0, 160);
    if (head.size() < text.size()) {
        while (!head.empty() && utf8_continues(text[head.size()])) head.pop_back();
        head += " ...";
    }
    out += escape_html(head) + "</summary>";
    if (head.size() < text.size() || text.find('\n') != std::string::npos) {
        out += "<blockquote class=\"whole\">" + escape_html(text) + "</blockquote>";
    }
    out += "<p class=\"note\">id " + escape_html(first.value("id", Json()).is_string()
                                                     ? text_field(first, "id")
                                                     : first.value("id", Json()).dump());
    out += "; methods differ by " + short_number(question.spread) + " in " + escape_html(metric) +
           "</p>";
    const Json& answers = list_of(first, "answers");
    if (!answers.empty()) {
        out += "<p>Right: ";
        for (size_t i = 0; i < std::min(answers.size(), kShownAnswers); ++i) {
            if (!answers[i].is_string()) continue;
            out += (i > 0 ? "; <q>" : "<q>") + escape_html(answers[i].get<std::string>()) + "</q>";
        }
        if (answers.size() > kShownAnswers) {
            out += " and " + std::to_string(answers.size() - kShownAnswers) + " more";
        }
        out += "</p>";
    }
    out += gold_html(question);
    const std::vector<Extent> gold = extents(list_of(first, "gold"));
    for (const Json* row : question.rows) out += method_html(*row, gold);
    return out + "</details>";
}

}  // namespace

std::string html_questions(const Json& rows, const std::string& metric, size_t most) {
    std::map<std::string, size_t> number;
    std::vector<Question> questions;
    for (const Json& row : rows) {
        if (!row.is_object()) continue;
        const std::string key =
            text_field(row, "task") + "\n" + text_field(row, "group") + "\n" +
            row.value("id", Json()).dump(-1, ' ', false, Json::error_handler_t::replace);
        const auto [at, added] = number.emplace(key, questions.size());
        if (added) questions.emplace_back();
        questions[at->second].rows.push_back(&row);
    }
    for (Question& question : questions) {
        double low = 0, high = 0;
        bool any = false;
        for (const Json* row : question.rows) {
            if (!row->contains("metrics") || !(*row)["metrics"].contains(metric)) continue;
            const double value = number_field((*row)["metrics"], metric.c_str());
            low = any ? std::min(low, value) : value;
            high = any ? std::max(high, value) : value;
            any = true;
        }
        question.spread = high - low;
    }
    if (questions.empty()) return "";
    const size_t all = questions.size();
    std::string out = "<h3>Questions</h3>";
    if (most > 0 && all > most) {
        std::stable_sort(questions.begin(), questions.end(),
                         [](const Question& a, const Question& b) { return a.spread > b.spread; });
        questions.resize(most);
        out +=
            "<p class=\"note\">" + std::to_string(most) + " of " + std::to_string(all) +
            ": those on which the methods differ most. <code>--questions 0</code> shows all.</p>";
    }
    for (const Question& question : questions) out += question_html(question, metric);
    return out;
}

}  // namespace s3attn::eval
