#include "eval/report.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/files.h"
#include "eval/answer_summary.h"
#include "eval/json_text.h"
#include "eval/report_figures.h"

namespace s3attn::eval {
namespace {

constexpr uint64_t kMostRunBytes = uint64_t{4} << 30;

// Options in which runs that are read as one may differ.
const std::set<std::string> kMayDiffer{"tasks", "data_hash", "max_answer", "prompts"};

bool joinable(const Json& a, const Json& b) {
    if (text_field(a, "task") != "answers" || text_field(b, "task") != "answers") return false;
    for (const char* name : {"program_version", "git_commit", "baseline"}) {
        if (text_field(a, name) != text_field(b, name)) return false;
    }
    for (const char* name : {"model", "reader"}) {
        const Json none;
        const Json& left = a.contains(name) ? a[name] : none;
        const Json& right = b.contains(name) ? b[name] : none;
        if (text_field(left, "hash") != text_field(right, "hash")) return false;
    }
    const Json empty = Json::object();
    const Json& left = a.contains("options") && a["options"].is_object() ? a["options"] : empty;
    const Json& right = b.contains("options") && b["options"].is_object() ? b["options"] : empty;
    for (const auto& [name, value] : left.items()) {
        if (!kMayDiffer.contains(name) && (!right.contains(name) || right[name] != value)) {
            return false;
        }
    }
    for (const auto& [name, value] : right.items()) {
        if (!kMayDiffer.contains(name) && !left.contains(name)) return false;
    }
    std::set<std::string> tasks;
    for (const Json& row : a["rows"]) tasks.insert(text_field(row, "task"));
    return std::none_of(b["rows"].begin(), b["rows"].end(),
                        [&](const Json& row) { return tasks.contains(text_field(row, "task")); });
}

void add_numbers(Json& into, const Json& from, const char* name) {
    into[name] = number_field(into, name) + number_field(from, name);
}

// Costs of the same method add up; memory is the largest.
void join_methods(Json& into, const Json& from) {
    for (const Json& method : from) {
        const auto same = std::find_if(into.begin(), into.end(), [&](const Json& other) {
            return text_field(other, "name") == text_field(method, "name") &&
                   other.value("budget", Json()) == method.value("budget", Json());
        });
        if (same == into.end()) {
            into.push_back(method);
            continue;
        }
        const double tokens_a =
            number_field(*same, "index_bytes_per_token") > 0
                ? number_field(*same, "index_bytes") / number_field(*same, "index_bytes_per_token")
                : 0;
        const double tokens_b = number_field(method, "index_bytes_per_token") > 0
                                    ? number_field(method, "index_bytes") /
                                          number_field(method, "index_bytes_per_token")
                                    : 0;
        for (const char* name : {"questions", "index_bytes", "index_seconds"}) {
            add_numbers(*same, method, name);
        }
        if (tokens_a + tokens_b > 0) {
            (*same)["index_bytes_per_token"] =
                number_field(*same, "index_bytes") / (tokens_a + tokens_b);
        }
        (*same)["peak_rss_bytes"] =
            std::max(number_field(*same, "peak_rss_bytes"), number_field(method, "peak_rss_bytes"));
        if (!method.contains("stages") || !same->contains("stages") ||
            !(*same)["stages"].is_object()) {
            continue;
        }
        for (const auto& [stage, seconds] : method["stages"].items()) {
            if (seconds.is_number())
                add_numbers((*same)["stages"], method["stages"], stage.c_str());
        }
    }
}

void join_into(ReportRun& into, const ReportRun& from) {
    Json& a = into.document;
    const Json& b = from.document;
    into.directories.insert(into.directories.end(), from.directories.begin(),
                            from.directories.end());
    for (const Json& row : b["rows"]) a["rows"].push_back(row);
    join_methods(a["methods"], b["methods"]);
    for (const char* name : {"questions", "documents"}) add_numbers(a["data"], b["data"], name);
    add_numbers(a, b, "seconds");
    a["finished"] = std::max(text_field(a, "finished"), text_field(b, "finished"));
    a["started"] = std::min(text_field(a, "started"), text_field(b, "started"));
    a["data"]["xxh3"] = text_field(a["data"], "xxh3") + " " + text_field(b["data"], "xxh3");
}

void sum_up(Json& document) {
    const std::vector<Json> rows(document["rows"].begin(), document["rows"].end());
    const auto seed = static_cast<uint64_t>(number_field(document, "seed"));
    const AnswerSummary summary = summarize_answers(rows, text_field(document, "baseline"), seed);
    document["summary"] = summary.summary;
    document["paired"] = summary.paired;
    document["counts"] = summary.counts;
}

}  // namespace

Result<ReportRun> read_run(const std::string& directory) {
    std::error_code ignored;
    const std::string path = directory + "/run.json";
    if (!std::filesystem::exists(path, ignored)) {
        const bool begun = std::filesystem::exists(directory + "/rows.jsonl", ignored);
        return make_error(ErrorCode::kNotFound,
                          begun ? directory +
                                      " holds a run that is not finished: give its command "
                                      "again, it goes on where it stopped"
                                : "no run record in " + directory +
                                      ": it has no run.json (`s3attn eval ... --out` makes one)");
    }
    S3ATTN_TRY(const std::string bytes, read_file(path, kMostRunBytes));
    auto parsed = parse_json(bytes);
    if (!parsed.ok()) return make_error(ErrorCode::kCorrupt, path + ": " + parsed.error().message);
    ReportRun run{{directory}, *std::move(parsed)};
    const Json& document = run.document;
    if (!document.is_object() || text_field(document, "format") != "s3attn-eval") {
        return make_error(ErrorCode::kCorrupt, path + ": no run record of `s3attn eval`");
    }
    if (number_field(document, "version") != kRecordVersion) {
        return make_error(ErrorCode::kUnsupported,
                          path + ": version " + short_number(number_field(document, "version")) +
                              "; this program reads version " + std::to_string(kRecordVersion));
    }
    for (const char* name : {"methods", "summary", "rows"}) {
        if (!document.contains(name) || !document[name].is_array()) {
            return make_error(ErrorCode::kCorrupt,
                              path + ": \"" + name + "\" is missing or no list");
        }
        for (const Json& entry : document[name]) {
            if (!entry.is_object()) {
                return make_error(ErrorCode::kCorrupt,
                                  path + ": an entry of \"" + name + "\" is no object");
            }
        }
    }
    std::set<std::string> rows;
    for (size_t i = 0; i < document["rows"].size(); ++i) {
        const std::string key = RunRecord::row_key(document["rows"][i]);
        if (key.empty() || rows.insert(key).second) continue;
        return make_error(ErrorCode::kCorrupt,
                          path + ": row " + std::to_string(i + 1) +
                              " is of a question, method and "
                              "budget that an earlier row is of: each may count once");
    }
    if (!document.contains("data") || !document["data"].is_object()) {
        return make_error(ErrorCode::kCorrupt, path + ": \"data\" is missing or no object");
    }
    return run;
}

std::vector<ReportRun> join_runs(std::vector<ReportRun> runs) {
    std::vector<ReportRun> out;
    for (ReportRun& run : runs) {
        const auto partner = std::find_if(out.begin(), out.end(), [&](const ReportRun& other) {
            return joinable(other.document, run.document);
        });
        if (partner == out.end()) {
            out.push_back(std::move(run));
        } else {
            join_into(*partner, run);
        }
    }
    for (ReportRun& run : out) {
        if (run.directories.size() > 1) sum_up(run.document);
    }
    return out;
}

}  // namespace s3attn::eval
