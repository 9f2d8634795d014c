#include "eval/predictions.h"

#include <map>

#include "eval/metrics/metrics.h"
#include "eval/metrics/suites.h"
#include "eval/records.h"

namespace s3attn::eval {
namespace {

Error bad_row(const std::string& what) { return make_error(ErrorCode::kCorrupt, what); }

bool texts_of(const Json& value, std::vector<std::string>& out) {
    if (!value.is_array()) return false;
    for (const Json& entry : value) {
        if (!entry.is_string()) return false;
        out.push_back(entry.get<std::string>());
    }
    return true;
}

Result<double> score_longbench(const std::string& task, Metric metric, const Json& row) {
    std::vector<std::string> answers, classes;
    if (!row.contains("pred") || !row["pred"].is_string() || !row.contains("answers") ||
        !texts_of(row["answers"], answers)) {
        return bad_row("expected {\"pred\": text, \"answers\": [text, ...]}");
    }
    if (row.contains("all_classes") && !row["all_classes"].is_null() &&
        !texts_of(row["all_classes"], classes)) {
        return bad_row("\"all_classes\" is no list of texts");
    }
    if (const std::string fault = reference_fault(metric, answers, classes); !fault.empty()) {
        return bad_row(fault);
    }
    return longbench_score(task, row["pred"].get<std::string>(), answers, classes);
}

Result<std::string> bucket_of(const std::string& task, const Json& row) {
    if (!task.ends_with("_e")) return std::string();
    if (!row.contains("length") || !row["length"].is_number()) {
        return bad_row("LongBench-E is scored by length, and here is no number \"length\"");
    }
    const double length = row["length"].get<double>();
    return std::string(length < 4000 ? "0-4k" : length < 8000 ? "4-8k" : "8k+");
}

std::string id_of(const Json& row) {
    for (const char* name : {"_id", "id", "index"}) {
        if (!row.contains(name) || row[name].is_null()) continue;
        return row[name].is_string() ? row[name].get<std::string>() : dump_json(row[name]);
    }
    return "";
}

// Whether the right answer, given as the answer, scores more than 0. Some published rows are not
// like that: BABILong's qa7 looks for "one" in "none", LongBench's F1 leaves nothing of "The".
bool reachable(const RowScorer& scorer, const Json& row) {
    std::vector<std::string> right;
    std::string all;
    for (const char* name : {"answers", "outputs", "target", "ground_truth", "label"}) {
        if (!row.contains(name)) continue;
        const Json& value = row[name];
        for (const Json& each : value.is_array() ? value : Json::array({value})) {
            right.push_back(each.is_string() ? each.get<std::string>() : dump_json(each));
            all += (all.empty() ? "" : " ") + right.back();
        }
    }
    right.push_back(all);
    for (const std::string& text : right) {
        Json own = row;
        for (const char* name : {"pred", "prediction", "output"}) own[name] = text;
        const auto score = scorer(own);
        if (score.ok() && *score > 0) return true;
    }
    return false;
}

}  // namespace

Result<RowScorer> task_scorer(const std::string& task) {
    if (const auto metric = longbench_metric(task)) {
        return RowScorer([task, metric = *metric](const Json& row) {
            return score_longbench(task, metric, row);
        });
    }
    if (auto scorer = suite_scorer(task)) return *std::move(scorer);
    return make_error(
        ErrorCode::kInvalidArgument,
        "no metric for a task '" + task +
            "': name one with --task, LongBench's English tasks (hotpotqa, trec, ...; "
            "with _e: LongBench-E) or " +
            suite_names());
}

Result<std::vector<ScoredAnswer>> score_predictions(const std::string& path,
                                                    const std::string& task) {
    S3ATTN_TRY(const RowScorer scorer, task_scorer(task));
    std::string hash;
    S3ATTN_TRY(const std::vector<Record> records, read_records(path, hash));
    std::vector<ScoredAnswer> out;
    std::map<std::string, std::string> ids;  // to the place of the row
    for (size_t i = 0; i < records.size(); ++i) {
        const Record& record = records[i];
        ScoredAnswer answer;
        answer.id = id_of(record.json);
        if (!answer.id.empty()) {
            const auto [first, added] = ids.emplace(answer.id, record.place);
            if (!added) {
                return bad_record(record, "the id \"" + answer.id + "\" is that of " +
                                              first->second + ": each answer counts once");
            }
        } else {
            answer.id = "#" + std::to_string(i + 1);
        }
        const auto score = scorer(record.json);
        if (!score.ok()) return bad_record(record, score.error().message);
        answer.score = *score;
        answer.reachable = *score > 0 || reachable(scorer, record.json);
        const auto bucket = bucket_of(task, record.json);
        if (!bucket.ok()) return bad_record(record, bucket.error().message);
        answer.bucket = *bucket;
        out.push_back(std::move(answer));
    }
    return out;
}

}  // namespace s3attn::eval
