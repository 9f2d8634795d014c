// RULER and BABILong, and which suite a task's name belongs to.
#include "eval/metrics/suites.h"

#include <algorithm>
#include <array>
#include <set>

#include "eval/metrics/python_text.h"

namespace s3attn::eval {
namespace {

constexpr std::array kRulerTasks{"niah_single_1",
                                 "niah_single_2",
                                 "niah_single_3",
                                 "niah_multikey_1",
                                 "niah_multikey_2",
                                 "niah_multikey_3",
                                 "niah_multivalue",
                                 "niah_multiquery",
                                 "vt",
                                 "cwe",
                                 "fwe",
                                 "qa_1",
                                 "qa_2"};

using Labels = std::vector<std::u32string>;

// The answers that each of bAbI's twenty tasks can have, in lower case.
const Labels& labels_of(size_t task) {
    static const Labels rooms{U"bathroom", U"bedroom", U"garden",
                              U"hallway",  U"kitchen", U"office"};
    static const Labels yes_no{U"no", U"yes"};
    static const std::array<Labels, 20> all{
        rooms,
        rooms,
        rooms,
        rooms,
        Labels{U"bill", U"fred", U"jeff", U"mary", U"apple", U"football", U"milk"},
        yes_no,
        Labels{U"none", U"one", U"three", U"two"},
        Labels{U"apple", U"football", U"milk", U"nothing"},
        yes_no,
        Labels{U"maybe", U"no", U"yes"},
        rooms,
        rooms,
        rooms,
        Labels{U"bedroom", U"cinema", U"kitchen", U"office", U"park", U"school"},
        Labels{U"cat", U"mouse", U"sheep", U"wolf"},
        Labels{U"gray", U"green", U"white", U"yellow"},
        yes_no,
        yes_no,
        Labels{U"e,e", U"e,n", U"e,s", U"n,e", U"n,n", U"n,w", U"s,e", U"s,s", U"s,w", U"w,n",
               U"w,s", U"w,w"},
        Labels{U"bedroom", U"bored", U"garden", U"hungry", U"kitchen", U"thirsty", U"tired"}};
    return all[task - 1];
}

// "apple,milk" of qa8 are two; "n,e" of qa19 is one.
std::vector<std::u32string> targets_of(std::string_view target) {
    const std::u32string wanted = python_lower(target);
    if (wanted.size() > 3 && wanted.find(U',') != wanted.npos) {
        return python_split_at(wanted, U',');
    }
    return {wanted};
}

// 7 of "qa7"; 0 for no task of BABILong.
size_t babilong_number(std::string_view task) {
    if (!task.starts_with("qa") || task.size() < 3 || task.size() > 4) return 0;
    size_t number = 0;
    for (const char c : task.substr(2)) {
        if (c < '0' || c > '9' || (number == 0 && c == '0')) return 0;
        number = 10 * number + static_cast<size_t>(c - '0');
    }
    return number <= 20 ? number : 0;
}

bool holds(const std::u32string& text, const std::u32string& part) {
    return text.find(part) != text.npos;
}

Error lacks(const std::string& what) { return make_error(ErrorCode::kCorrupt, what); }

// The text under the first of these names that the row has.
Result<std::string> text_under(const Json& row, std::initializer_list<const char*> names) {
    std::string all;
    for (const char* name : names) {
        if (row.contains(name) && row[name].is_string()) return row[name].get<std::string>();
        all += (all.empty() ? "\"" : ", \"") + std::string(name) + "\"";
    }
    return lacks("no text under " + all);
}

bool blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == text.npos; }

bool is_ruler_task(std::string_view task) {
    return std::find(kRulerTasks.begin(), kRulerTasks.end(), task) != kRulerTasks.end();
}

Result<double> score_ruler(bool any, const Json& row) {
    S3ATTN_TRY(const std::string answer, text_under(row, {"pred", "prediction"}));
    std::vector<std::string> references;
    if (row.contains("outputs") && row["outputs"].is_array()) {
        for (const Json& output : row["outputs"]) {
            if (!output.is_string()) return lacks("\"outputs\" holds something but text");
            references.push_back(output.get<std::string>());
            if (blank(references.back())) return lacks("\"outputs\" holds a blank text");
        }
    }
    if (references.empty()) return lacks("no list \"outputs\" of the right answers");
    return ruler_match(answer, references, any);
}

Result<double> score_babilong(const std::string& task, const Json& row) {
    S3ATTN_TRY(const std::string answer, text_under(row, {"pred", "prediction", "output"}));
    S3ATTN_TRY(const std::string target, text_under(row, {"target"}));
    S3ATTN_TRY(const std::string question, text_under(row, {"question"}));
    if (const std::string fault = babilong_fault(task, target); !fault.empty()) {
        return lacks(fault);
    }
    return babilong_right(task, answer, target, question) ? 1.0 : 0.0;
}

Result<double> score_infinite(const std::string& task, const Json& row) {
    S3ATTN_TRY(const std::string answer, text_under(row, {"prediction", "pred"}));
    for (const char* name : {"ground_truth", "label"}) {
        if (row.contains(name)) return infinite_score(task, answer, row[name]);
    }
    return lacks("no \"ground_truth\"");
}

}  // namespace

double ruler_match(std::string_view answer, const std::vector<std::string>& references, bool any) {
    std::u32string text = python_lower(answer);
    // Control characters divide words as a new line does.
    for (char32_t& c : text) c = c < 0x20 ? U'\n' : c;
    double found = 0;
    for (const std::string& reference : references) {
        found += holds(text, python_lower(reference)) ? 1 : 0;
    }
    if (any) return found > 0 ? 1 : 0;
    return references.empty() ? 0 : found / static_cast<double>(references.size());
}

bool is_babilong_task(std::string_view task) { return babilong_number(task) > 0; }

std::string babilong_fault(std::string_view task, std::string_view target) {
    const size_t number = babilong_number(task);
    if (number == 0) return "";
    const Labels& labels = labels_of(number);
    for (const std::u32string& each : targets_of(target)) {
        if (std::find(labels.begin(), labels.end(), each) != labels.end()) continue;
        return "\"target\": \"" + std::string(target) + "\" is no answer that " +
               std::string(task) + " can have";
    }
    return "";
}

bool babilong_right(std::string_view task, std::string_view answer, std::string_view target,
                    std::string_view question) {
    const size_t number = babilong_number(task);
    if (number == 0) return false;
    std::u32string said = python_lower(answer);
    // Its first sentence, and nothing of examples that the model goes on to invent.
    for (const std::u32string_view end : {U".", U"<context>", U"<example>"}) {
        said = said.substr(0, said.find(end));
    }
    const std::u32string asked = python_lower(question);
    std::set<std::u32string> named;
    for (const std::u32string& label : labels_of(number)) {
        if (holds(said, label) && !holds(asked, label)) named.insert(label);
    }
    const std::vector<std::u32string> targets = targets_of(target);
    return named.size() == targets.size() &&
           std::all_of(targets.begin(), targets.end(),
                       [&](const std::u32string& each) { return named.contains(each); });
}

std::optional<RowScorer> suite_scorer(std::string_view name) {
    std::string_view suite, task = name;
    if (const size_t slash = name.find('/'); slash != name.npos) {
        suite = name.substr(0, slash);
        task = name.substr(slash + 1);
    }
    if (task.starts_with("preds_")) task.remove_prefix(6);
    const auto of = [&](std::string_view wanted) { return suite.empty() || suite == wanted; };
    const std::string own(task);
    if (of("ruler") && is_ruler_task(task)) {
        const bool any = task.starts_with("qa");
        return RowScorer([any](const Json& row) { return score_ruler(any, row); });
    }
    if (of("babilong") && is_babilong_task(task)) {
        return RowScorer([own](const Json& row) { return score_babilong(own, row); });
    }
    if (of("infinitebench") && is_infinite_task(task)) {
        return RowScorer([own](const Json& row) { return score_infinite(own, row); });
    }
    return std::nullopt;
}

std::string suite_names() {
    return "RULER's (ruler/niah_single_1, ruler/vt, ruler/cwe, ruler/fwe, ruler/qa_1, ...), "
           "BABILong's (babilong/qa1 to qa20), InfiniteBench's (infinitebench/passkey, ...)";
}

}  // namespace s3attn::eval
