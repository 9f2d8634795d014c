// `s3attn eval score`: LongBench's metrics over predictions made by any program.
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>

#include "base/files.h"
#include "cmd_eval.h"
#include "eval/json_text.h"
#include "eval/metrics/metrics.h"
#include "eval/run_record.h"

namespace s3attn::cli {
namespace {

using eval::Json;
constexpr uint64_t kMostBytes = uint64_t{1} << 30;

struct ScoreArguments {
    std::vector<std::string> files;
    std::string task, compare;
    bool rows = false;
};
struct Sum {
    double sum = 0;
    size_t n = 0;
    void add(double score) { sum += score, ++n; }
};
using Sums = std::map<std::string, Sum>;  // of a task, and of a task and a length

bool strings_of(const Json& value, std::vector<std::string>& out) {
    if (!value.is_array()) return false;
    for (const Json& entry : value) {
        if (!entry.is_string()) return false;
        out.push_back(entry.get<std::string>());
    }
    return true;
}

// Adds the scores of one file: over all rows, and for LongBench-E also by length.
Status score_file(const std::string& path, const std::string& task, bool print_rows, Sums& sums) {
    S3ATTN_TRY(const std::string bytes, read_file(path, kMostBytes));
    const size_t before = sums[task].n;
    size_t number = 0;
    for (size_t begin = 0; begin < bytes.size();) {
        const size_t end = std::min(bytes.find('\n', begin), bytes.size());
        const std::string line = bytes.substr(begin, end - begin);
        begin = end + 1;
        ++number;
        if (line.find_first_not_of(" \t\r") == line.npos) continue;
        const auto parsed = eval::parse_json(line);
        if (!parsed.ok()) {
            return make_error(ErrorCode::kCorrupt, path + ", line " + std::to_string(number) +
                                                       ": " + parsed.error().message);
        }
        const Json& row = *parsed;
        std::vector<std::string> answers, classes;
        if (!row.is_object() || !row.contains("pred") || !row["pred"].is_string() ||
            !row.contains("answers") || !strings_of(row["answers"], answers)) {
            return make_error(ErrorCode::kCorrupt,
                              path + ", line " + std::to_string(number) +
                                  ": expected {\"pred\": text, \"answers\": [text, ...]}");
        }
        if (row.contains("all_classes") && !row["all_classes"].is_null() &&
            !strings_of(row["all_classes"], classes)) {
            return make_error(ErrorCode::kCorrupt, path + ", line " + std::to_string(number) +
                                                       ": \"all_classes\" is no list of texts");
        }
        const double score =
            eval::longbench_score(task, row["pred"].get<std::string>(), answers, classes);
        if (print_rows) std::printf("%.17g\n", score);
        sums[task].add(score);
        if (task.ends_with("_e")) {
            if (!row.contains("length") || !row["length"].is_number()) {
                return make_error(ErrorCode::kCorrupt,
                                  path + ", line " + std::to_string(number) +
                                      ": LongBench-E is scored by length, and here is no number "
                                      "\"length\"");
            }
            const double length = row["length"].get<double>();
            sums[task + (length < 4000 ? " 0-4k" : length < 8000 ? " 4-8k" : " 8k+")].add(score);
        }
    }
    if (sums[task].n == before) {
        return make_error(ErrorCode::kCorrupt, path + ": holds no predictions");
    }
    return {};
}

// LongBench's figure of "hotpotqa", or of "hotpotqa_e 0-4k": {"hotpotqa": {"0-4k": 44.9, ...}}, as
// its eval.py --e writes it. nullopt where the file has none.
std::optional<double> their_score(const Json& result, const std::string& name) {
    const size_t space = name.find(' ');
    std::string task = name.substr(0, space);
    if (!result.contains(task) && task.ends_with("_e")) task.resize(task.size() - 2);
    if (!result.contains(task)) return std::nullopt;
    const Json* value = &result[task];
    if (space != name.npos) {
        const std::string bucket = name.substr(space + 1);
        if (!value->is_object() || !value->contains(bucket)) return std::nullopt;
        value = &(*value)[bucket];
    }
    return value->is_number() ? std::optional(value->get<double>()) : std::nullopt;
}

// LongBench-E has no figure over all lengths; tasks are the ones with buckets beside them.
bool has_buckets(const std::map<std::string, std::string>& printed, const std::string& task) {
    const auto next = printed.upper_bound(task + " ");
    return next != printed.end() && next->first.starts_with(task + " ");
}

// Prints what LongBench printed beside ours; returns the number of differences.
Result<size_t> compare(const std::string& path, const std::map<std::string, std::string>& ours) {
    S3ATTN_TRY(const std::string bytes, read_file(path, kMostBytes));
    const auto parsed = eval::parse_json(bytes);
    if (!parsed.ok()) return make_error(ErrorCode::kCorrupt, path + ": " + parsed.error().message);
    const Json& expected = *parsed;
    if (!expected.is_object()) return make_error(ErrorCode::kCorrupt, path + ": no JSON object");
    size_t different = 0;
    for (const auto& [task, score] : ours) {
        char theirs[48] = "-";
        const std::optional<double> found = their_score(expected, task);
        if (!found && has_buckets(ours, task)) continue;
        if (found) std::snprintf(theirs, sizeof theirs, "%.2f", *found);
        const bool same = score == theirs;
        different += same ? 0 : 1;
        std::printf("%-22s %8s %8s  %s\n", task.c_str(), score.c_str(), theirs,
                    same ? "equal" : "DIFFERENT");
    }
    return different;
}

int run_score(const ScoreArguments& arguments, const GlobalOptions& options) {
    Sums sums;
    std::map<std::string, std::string> file_of;
    for (const std::string& path : arguments.files) {
        const std::string task =
            arguments.task.empty() ? std::filesystem::path(path).stem().string() : arguments.task;
        if (!eval::longbench_metric(task)) {
            return fail(make_error(ErrorCode::kInvalidArgument,
                                   "no metric for a task '" + task +
                                       "': name one of LongBench's English tasks with --task"));
        }
        const auto [other, first] = file_of.emplace(task, path);
        if (!first && arguments.task.empty()) {
            return fail(make_error(ErrorCode::kInvalidArgument,
                                   other->second + " and " + path + " are both of the task '" +
                                       task +
                                       "': score one at a time, or name it with --task to "
                                       "read them as one"));
        }
        const Status scored = score_file(path, task, arguments.rows, sums);
        if (!scored.ok()) return fail(scored.error());
    }
    std::map<std::string, std::string> printed;
    Json out = Json::object();
    for (const auto& [name, sum] : sums) {
        printed[name] = eval::longbench_percent(sum.sum, sum.n);
        out[name] = {{"score", std::stod(printed[name])}, {"n", sum.n}};
    }
    if (!arguments.compare.empty()) {
        const auto different = compare(arguments.compare, printed);
        if (!different.ok()) return fail(different.error());
        return *different == 0 ? 0 : 1;
    }
    if (arguments.rows) return 0;
    if (options.json) {
        std::printf("%s\n", eval::dump_json(out, 1).c_str());
        return 0;
    }
    for (const auto& [task, score] : printed) {
        std::printf("%-22s %8s  n = %s\n", task.c_str(), score.c_str(),
                    out[task]["n"].dump().c_str());
    }
    return 0;
}

}  // namespace

void add_eval_score(Context& context, CLI::App& eval) {
    auto arguments = std::make_shared<ScoreArguments>();
    CLI::App* command = add_command(
        context, eval, "score", "LongBench's metrics over predictions of any program",
        "Lines {\"pred\": \"...\", \"answers\": [\"...\"], \"all_classes\": [...]}, as LongBench's "
        "own\n"
        "pred.py writes them.\n\n"
        "Example: s3attn eval score pred/hotpotqa.jsonl pred/trec.jsonl --compare result.json");
    command->add_option("files", arguments->files, "TASK.jsonl")->required()->type_name("FILE");
    command->add_option(
        "--task", arguments->task,
        "the task of all files, which are then read as one (default: each file's name)");
    CLI::Option* compare =
        command
            ->add_option("--compare", arguments->compare,
                         "LongBench's result.json: shown beside ours, exit code 1 if they differ")
            ->type_name("FILE");
    command->add_flag("--rows", arguments->rows, "print the score of every row instead")
        ->excludes(compare);
    command->callback([arguments, &context] {
        context.run = [arguments, &context] { return run_score(*arguments, context.options); };
    });
}

}  // namespace s3attn::cli
