// `s3attn eval score`: the metrics of LongBench and others over predictions made by any program.
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>

#include "base/files.h"
#include "cmd_eval.h"
#include "eval/json_text.h"
#include "eval/metrics/metrics.h"
#include "eval/predictions.h"
#include "train/bootstrap.h"

namespace s3attn::cli {
namespace {

using eval::Json;
constexpr uint64_t kMostBytes = uint64_t{1} << 30;

struct ScoreArguments {
    std::vector<std::string> files;
    std::string task, compare;
    bool rows = false;
};
// Scores of a task, and of a task and a length, in the order of the files.
using Scores = std::map<std::string, std::vector<double>>;

Status score_file(const std::string& path, const std::string& task, bool print_rows, bool quiet,
                  Scores& scores) {
    S3ATTN_TRY(const auto answers, eval::score_predictions(path, task));
    size_t out_of_reach = 0;
    std::string first;
    for (const eval::ScoredAnswer& answer : answers) {
        if (!answer.reachable && out_of_reach++ == 0) first = answer.id;
        if (print_rows) std::printf("%.17g\n", answer.score);
        scores[task].push_back(answer.score);
        if (!answer.bucket.empty()) scores[task + " " + answer.bucket].push_back(answer.score);
    }
    if (out_of_reach > 0 && !quiet) {
        std::fprintf(stderr,
                     "note: %s: %zu of %zu rows score 0 by this metric whatever the answer, the "
                     "right one included (first: %s)\n",
                     path.c_str(), out_of_reach, answers.size(), first.c_str());
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

// The task of a file, by its name unless one is named.
Result<std::string> task_of(const ScoreArguments& arguments, const std::string& path) {
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) {
        return make_error(ErrorCode::kNotFound, path + ": there is no such file");
    }
    const std::string task =
        arguments.task.empty() ? std::filesystem::path(path).stem().string() : arguments.task;
    S3ATTN_TRY(const eval::RowScorer known, eval::task_scorer(task));
    static_cast<void>(known);
    return task;
}

struct Figure {
    std::string percent;  // as LongBench prints it
    Interval interval;
};

std::string with_interval(const Figure& figure) {
    if (!figure.interval.known()) return figure.percent;
    return fmt::format("{} [{:.2f}, {:.2f}]", figure.percent, 100 * figure.interval.low,
                       100 * figure.interval.high);
}

void print_figures(const std::map<std::string, Figure>& figures, bool json) {
    Json out = Json::object();
    for (const auto& [task, figure] : figures) {
        const bool known = figure.interval.known();
        out[task] = {{"score", std::stod(figure.percent)},
                     {"low", known ? Json(100 * figure.interval.low) : Json()},
                     {"high", known ? Json(100 * figure.interval.high) : Json()},
                     {"n", figure.interval.n}};
        if (json) continue;
        std::printf("%-28s %24s  n = %zu\n", task.c_str(), with_interval(figure).c_str(),
                    figure.interval.n);
    }
    if (json) std::printf("%s\n", eval::dump_json(out, 1).c_str());
}

int run_score(const ScoreArguments& arguments, const GlobalOptions& options) {
    Scores scores;
    std::map<std::string, std::string> file_of;
    for (const std::string& path : arguments.files) {
        const auto task = task_of(arguments, path);
        if (!task.ok()) return fail(task.error());
        const auto [other, first] = file_of.emplace(*task, path);
        if (!first && arguments.task.empty()) {
            return fail(make_error(ErrorCode::kInvalidArgument,
                                   other->second + " and " + path + " are both of the task '" +
                                       *task +
                                       "': score one at a time, or name it with --task to "
                                       "read them as one"));
        }
        const Status scored = score_file(path, *task, arguments.rows, options.quiet, scores);
        if (!scored.ok()) return fail(scored.error());
    }
    std::map<std::string, Figure> figures;
    for (const auto& [name, values] : scores) {
        double sum = 0;
        for (const double value : values) sum += value;
        figures[name] = {eval::longbench_percent(sum, values.size()), bootstrap_mean(values, 0)};
    }
    if (!arguments.compare.empty()) {
        std::map<std::string, std::string> printed;
        for (const auto& [name, figure] : figures) printed[name] = figure.percent;
        const auto different = compare(arguments.compare, printed);
        if (!different.ok()) return fail(different.error());
        return *different == 0 ? 0 : 1;
    }
    if (!arguments.rows) print_figures(figures, options.json);
    return 0;
}

}  // namespace

void add_eval_score(Context& context, CLI::App& eval) {
    auto arguments = std::make_shared<ScoreArguments>();
    CLI::App* command = add_command(
        context, eval, "score", "A benchmark's own metrics over predictions of any program",
        "LongBench: lines {\"pred\": \"...\", \"answers\": [\"...\"], \"all_classes\": [...]}, as "
        "its\n"
        "pred.py writes them. RULER (ruler/vt), BABILong (babilong/qa1) and InfiniteBench\n"
        "(infinitebench/passkey): lines as their programs write them (docs/evaluation.md). Each "
        "row\n"
        "counts once; an \"_id\" that is there twice is refused.\n\n"
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
