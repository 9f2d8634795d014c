#include "eval/compare_runs.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "eval/answer_summary.h"
#include "eval/predictions.h"
#include "eval/report.h"
#include "eval/report_figures.h"
#include "eval/summary.h"

namespace s3attn::eval {
namespace {

namespace fs = std::filesystem;

constexpr const char *kA = "a", *kB = "b";

struct Side {
    std::string path;
    Json document = Json::object();  // of a run
    bool retrieval = false;
    std::vector<Json> rows;  // of questions: id, method, metrics, ...
};

Error mismatch(const std::string& what) { return make_error(ErrorCode::kMismatch, what); }

Result<Side> read_side(const std::string& path, const std::string& task) {
    Side side;
    side.path = path;
    std::error_code ignored;
    if (!fs::exists(path, ignored)) {
        return make_error(ErrorCode::kNotFound, path + ": there is no such file or directory");
    }
    if (fs::is_directory(path, ignored)) {
        S3ATTN_TRY(ReportRun run, read_run(path));
        side.document = std::move(run.document);
        side.retrieval = text_field(side.document, "task") == "retrieval";
        for (const Json& row : side.document["rows"]) {
            if (row.contains("id") && row.contains("method")) side.rows.push_back(row);
        }
        return side;
    }
    const std::string name = task.empty() ? fs::path(path).stem().string() : task;
    S3ATTN_TRY(const std::vector<ScoredAnswer> answers, score_predictions(path, name));
    for (const ScoredAnswer& answer : answers) {
        Json row{{"id", answer.id}, {"task", name}, {"method", "predictions"}};
        if (!answer.bucket.empty()) row["bucket"] = answer.bucket;
        row["metrics"] = {{"score", answer.score}};
        side.rows.push_back(std::move(row));
    }
    side.document["task"] = "answers";
    return side;
}

std::string key_of(const Json& row) {
    return text_field(row, "task") + "\n" + text_field(row, "id");
}

std::vector<std::string> methods_of(const Side& side) {
    std::vector<std::string> names;
    for (const Json& row : side.rows) {
        const std::string name = text_field(row, "method");
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
    return names;
}

std::string listed(const std::vector<std::string>& names) {
    std::string out;
    for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
    return out.empty() ? "none" : out;
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

Result<Pairs> method_pairs(const CompareOptions& options, const Side& a, const Side& b) {
    const std::vector<std::string> in_a = methods_of(a), in_b = methods_of(b);
    const auto has = [](const std::vector<std::string>& names, const std::string& name) {
        return std::find(names.begin(), names.end(), name) != names.end();
    };
    if (!options.method_a.empty() || !options.method_b.empty()) {
        const std::string first = options.method_a.empty() ? options.method_b : options.method_a;
        const std::string second = options.method_b.empty() ? options.method_a : options.method_b;
        if (!has(in_a, first)) {
            return mismatch(a.path + " has no method " + first + "; it has " + listed(in_a));
        }
        if (!has(in_b, second)) {
            return mismatch(b.path + " has no method " + second + "; it has " + listed(in_b));
        }
        return Pairs{{first, second}};
    }
    Pairs pairs;
    for (const std::string& name : in_a) {
        if (has(in_b, name)) pairs.emplace_back(name, name);
    }
    if (pairs.empty()) {
        return mismatch("no method is in both: " + a.path + " has " + listed(in_a) + ", " + b.path +
                        " has " + listed(in_b) + "; name two with --method-a and --method-b");
    }
    return pairs;
}

std::map<std::string, std::string> questions_of(const Side& side) {
    std::map<std::string, std::string> questions;
    for (const Json& row : side.rows) questions[key_of(row)] = text_field(row, "question");
    return questions;
}

// Keeps the questions that both have; says how many each had alone.
Result<Json> keep_common_questions(Side& a, Side& b) {
    const auto in_a = questions_of(a), in_b = questions_of(b);
    std::set<std::string> common;
    for (const auto& [key, question] : in_a) {
        const auto other = in_b.find(key);
        if (other == in_b.end()) continue;
        if (other->second != question) {
            return mismatch("the id \"" + key.substr(key.find('\n') + 1) +
                            "\" asks something else in " + b.path + " than in " + a.path);
        }
        common.insert(key);
    }
    if (common.empty()) return mismatch(a.path + " and " + b.path + " have no question in common");
    for (Side* side : {&a, &b}) {
        std::erase_if(side->rows, [&](const Json& row) { return !common.contains(key_of(row)); });
    }
    return Json{{"both", common.size()},
                {"only_a", in_a.size() - common.size()},
                {"only_b", in_b.size() - common.size()}};
}

std::vector<Json> relabelled(const Side& side, const std::string& method, const char* label,
                             const std::vector<std::string>& metrics) {
    std::vector<Json> rows;
    for (const Json& row : side.rows) {
        if (text_field(row, "method") != method) continue;
        Json own = row;
        own["method"] = label;
        if (!metrics.empty() && own.contains("metrics") && own["metrics"].is_object()) {
            Json kept = Json::object();
            for (const std::string& name : metrics) {
                if (own["metrics"].contains(name)) kept[name] = own["metrics"][name];
            }
            own["metrics"] = std::move(kept);
        }
        rows.push_back(std::move(own));
    }
    return rows;
}

// The summary's mean of the same figure.
Json mean_of(const Json& summary, const Json& entry, const char* label) {
    for (const Json& figure : summary) {
        if (figure["method"] == label && figure["group"] == entry["group"] &&
            figure["metric"] == entry["metric"] && figure["budget"] == entry["budget"]) {
            return figure["mean"];
        }
    }
    return nullptr;
}

void add_differences(const CompareOptions& options, const Side& a, const Side& b,
                     const std::pair<std::string, std::string>& methods, Json& out) {
    std::vector<Json> rows = relabelled(a, methods.first, kA, options.metrics);
    for (Json& row : relabelled(b, methods.second, kB, options.metrics)) rows.push_back(row);
    Json summary, paired;
    if (a.retrieval) {
        summary = summarise(rows, {kA, kB}, options.seed);
        paired = compare(rows, {kA, kB}, kA, options.seed);
    } else {
        AnswerSummary all = summarize_answers(rows, kA, options.seed);
        summary = std::move(all.summary);
        paired = std::move(all.paired);
    }
    const std::string name = methods.first == methods.second
                                 ? methods.first
                                 : methods.first + " against " + methods.second;
    for (const Json& entry : paired) {
        out.push_back({{"group", entry["group"]},
                       {"method", name},
                       {"budget", entry["budget"]},
                       {"metric", entry["metric"]},
                       {"a", mean_of(summary, entry, kA)},
                       {"b", mean_of(summary, entry, kB)},
                       {"difference", entry["difference"]},
                       {"low", entry["low"]},
                       {"high", entry["high"]},
                       {"n", entry["n"]}});
    }
}

Json identity_of(const Side& side) {
    Json out{{"path", side.path}};
    for (const char* name : {"model", "reader", "adapter", "git_commit", "started"}) {
        if (side.document.contains(name) && !side.document[name].is_null()) {
            out[name] = side.document[name];
        }
    }
    if (side.document.contains("data")) out["data"] = side.document["data"].value("xxh3", Json());
    return out;
}

Json options_that_differ(const Side& a, const Side& b) {
    const Json none = Json::object();
    const Json& in_a = a.document.contains("options") ? a.document["options"] : none;
    const Json& in_b = b.document.contains("options") ? b.document["options"] : none;
    Json out = Json::object();
    const auto note = [&](const std::string& name) {
        const Json left = in_a.value(name, Json()), right = in_b.value(name, Json());
        if (left != right) out[name] = {{"a", left}, {"b", right}};
    };
    for (const auto& entry : in_a.items()) note(entry.key());
    for (const auto& entry : in_b.items()) note(entry.key());
    return out;
}

Json notes_of(const Json& differ) {
    Json notes = Json::array();
    if (differ.contains("data_hash")) {
        notes.push_back("the data differ: only questions with the same id and text are compared");
    }
    if (differ.contains("reader") || differ.contains("model")) {
        notes.push_back("budgets are counted in the tokens of different models");
    }
    return notes;
}

}  // namespace

Result<Json> compare_runs(const CompareOptions& options) {
    S3ATTN_TRY(Side a, read_side(options.a, options.task));
    S3ATTN_TRY(Side b, read_side(options.b, options.task));
    if (a.retrieval != b.retrieval) {
        return mismatch(a.path + " is a run of " + text_field(a.document, "task") + ", " + b.path +
                        " one of " + text_field(b.document, "task"));
    }
    // Files are of the task that their name says.
    const bool files = !a.document.contains("rows") && !b.document.contains("rows");
    if (files && !a.rows.empty() && !b.rows.empty() && a.rows[0]["task"] != b.rows[0]["task"]) {
        return mismatch(a.path + " and " + b.path +
                        " are of different tasks by their names: name one with --task");
    }
    S3ATTN_TRY(const Json questions, keep_common_questions(a, b));
    S3ATTN_TRY(const Pairs pairs, method_pairs(options, a, b));
    Json out{{"a", identity_of(a)}, {"b", identity_of(b)}};
    out["options_that_differ"] = options_that_differ(a, b);
    out["questions"] = questions;
    out["notes"] = notes_of(out["options_that_differ"]);
    out["differences"] = Json::array();
    for (const auto& pair : pairs) add_differences(options, a, b, pair, out["differences"]);
    if (out["differences"].empty()) {
        return mismatch("no figure is in both runs" +
                        (options.metrics.empty() ? std::string()
                                                 : " under the name " + listed(options.metrics)));
    }
    return out;
}

}  // namespace s3attn::eval
