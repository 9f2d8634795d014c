#include "eval/answers.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>

#include "base/files.h"
#include "base/timing.h"
#include "eval/answer_summary.h"
#include "eval/answer_worker.h"
#include "eval/index_lock.h"
#include "eval/json_text.h"
#include "eval/reader_pool.h"
#include "eval/report.h"
#include "eval/report_figures.h"

namespace s3attn::eval {
namespace {

namespace fs = std::filesystem;
std::string row_key(const std::string& task, const std::string& id, const std::string& method,
                    int64_t budget) {
    return task + '\n' + id + '\n' + method + '\n' + std::to_string(budget);
}

class AnswerRun {
  public:
    AnswerRun(const AnswerOptions& options, const AnswerSet& set, ProgressSink& sink,
              const CancelToken& cancel)
        : options_(options), set_(set), sink_(sink), cancel_(cancel), context_(options.context) {}

    Result<AnswerReport> run();

  private:
    Status make_methods();
    Status open_record();
    Status plan();
    Status prepare();
    Status answer();
    Status answer_with(AnswerWorker& worker);
    Status check_cancelled() const;
    Result<Json> document();
    Result<AnswerReport> finished_run();
    Json methods_json() const;
    Json method_json(size_t method, int64_t budget) const;

    const AnswerOptions& options_;
    const AnswerSet& set_;
    ProgressSink& sink_;
    const CancelToken& cancel_;
    MethodContext context_;
    Stopwatch watch_;
    std::string index_directory_;
    Json settings_;
    std::vector<AnswerMethod> methods_;
    std::unique_ptr<RunRecord> record_;
    std::vector<std::vector<AnswerJob>> jobs_;  // per question
    std::vector<IndexCost> costs_;              // per method
    ReaderPool readers_;
    std::atomic<size_t> next_question_ = 0;
    std::atomic<bool> failed_ = false;  // on some thread
    std::mutex mutex_;                  // of sink_ and done_
    size_t wanted_ = 0, done_ = 0;
    AnswerReport report_;
};

Status AnswerRun::check_cancelled() const {
    if (!cancel_.cancelled()) return {};
    return make_error(ErrorCode::kCancelled,
                      "interrupted; the same command goes on from " + report_.directory);
}

Status AnswerRun::make_methods() {
    using Kind = AnswerMethod::Kind;
    S3ATTN_CHECK(check_lists(options_.methods, options_.budgets));
    const bool gold = std::any_of(set_.questions.begin(), set_.questions.end(),
                                  [](const AnswerQuestion& q) { return !q.gold.empty(); });
    for (const std::string& spec : options_.methods) {
        S3ATTN_TRY(AnswerMethod method, make_answer_method(spec, context_));
        if (method.kind == Kind::kGold && !gold) {
            report_.notes.push_back("gold left out: these tasks do not mark their evidence");
            continue;
        }
        if (method.has_budget() && options_.budgets.empty()) {
            return make_error(ErrorCode::kInvalidArgument, spec + " needs --budgets");
        }
        // The others are compared with what full context makes the reader expect.
        methods_.insert(method.kind == Kind::kFull ? methods_.begin() : methods_.end(),
                        std::move(method));
    }
    if (methods_.empty()) return make_error(ErrorCode::kInvalidArgument, "no method is left");
    const bool known = std::any_of(methods_.begin(), methods_.end(), [this](const auto& method) {
        return method.name == options_.baseline;
    });
    if (!options_.baseline.empty() && !known) {
        return make_error(ErrorCode::kInvalidArgument,
                          "--baseline " + options_.baseline + " is not among the methods");
    }
    costs_.resize(methods_.size());
    return {};
}

Status AnswerRun::open_record() {
    S3ATTN_TRY(settings_, answer_settings(options_, set_, context_, readers_.options()));
    std::string& out = report_.directory;
    out = options_.out;
    if (out.empty()) {
        out = "s3attn-eval/answers-" + fs::path(set_.path).stem().string() + "-" +
              hash_bytes(dump_json(settings_)).substr(0, 8);
    }
    S3ATTN_TRY(record_, RunRecord::open(out, settings_));
    report_.resumed = record_->rows().size();
    index_directory_ = options_.index_directory.empty() ? out + "/index" : options_.index_directory;
    return {};
}

// What is still to be answered.
Status AnswerRun::plan() {
    std::set<std::string> there;
    for (const Json& row : record_->rows()) {
        const Json budget = row.value("budget", Json());
        there.insert(row_key(row.value("task", ""), row.value("id", ""), row.value("method", ""),
                             budget.is_number() ? budget.get<int64_t>() : -1));
    }
    jobs_.resize(set_.questions.size());
    for (size_t q = 0; q < set_.questions.size(); ++q) {
        const AnswerQuestion& question = set_.questions[q];
        for (size_t m = 0; m < methods_.size(); ++m) {
            if (methods_[m].kind == AnswerMethod::Kind::kGold && question.gold.empty()) continue;
            std::vector<int64_t> budgets{-1};
            if (methods_[m].has_budget()) {
                budgets.assign(options_.budgets.begin(), options_.budgets.end());
            }
            for (const int64_t budget : budgets) {
                ++wanted_;
                const std::string key =
                    row_key(set_.tasks[question.task].name, question.id, methods_[m].name, budget);
                if (there.contains(key)) {
                    ++done_;
                } else {
                    jobs_[q].push_back({m, budget});
                }
            }
        }
    }
    return {};
}

Status AnswerRun::prepare() {
    std::vector<size_t> ranked;
    for (size_t m = 0; m < methods_.size(); ++m) {
        if (methods_[m].method != nullptr) ranked.push_back(m);
    }
    if (ranked.empty()) return {};
    S3ATTN_TRY(const CountTokens count, scan_counter(context_));
    std::set<size_t> collections;
    for (const AnswerQuestion& question : set_.questions) collections.insert(question.collection);
    uint64_t done = 0;
    for (const size_t c : collections) {
        S3ATTN_CHECK(check_cancelled());
        sink_.update({"index", "", done++, collections.size(), "documents", 0});
        const Collection& collection = set_.collections[c];
        const std::string units = units_directory(index_directory_, collection);
        S3ATTN_TRY(const IndexLock lock,
                   IndexLock::take(index_directory(index_directory_, collection), cancel_));
        S3ATTN_CHECK(UnitStore::build(collection, units, count));
        for (const size_t m : ranked) {
            S3ATTN_TRY(const IndexCost cost,
                       methods_[m].method->prepare(collection, units,
                                                   index_directory(index_directory_, collection),
                                                   sink_, cancel_));
            costs_[m].add(cost);
        }
    }
    sink_.update({"index", "", collections.size(), collections.size(), "documents", 0});
    return {};
}

Status AnswerRun::answer_with(AnswerWorker& worker) {
    for (size_t q; (q = next_question_++) < set_.questions.size();) {
        if (jobs_[q].empty()) continue;
        const AnswerQuestion& question = set_.questions[q];
        const Status answered = worker.answer(question, jobs_[q], [&](Json row) -> Status {
            S3ATTN_CHECK(record_->add_row(std::move(row)));
            const std::lock_guard lock(mutex_);
            sink_.update(
                {"answer", set_.tasks[question.task].name, ++done_, wanted_, "answers", 0});
            if (failed_) return make_error(ErrorCode::kCancelled, "another question failed");
            return check_cancelled();
        });
        if (answered.ok()) continue;
        if (answered.error().code == ErrorCode::kCancelled) return answered;
        return make_error(answered.error().code, set_.tasks[question.task].name + ", question '" +
                                                     question.id +
                                                     "': " + answered.error().message);
    }
    return {};
}

Status AnswerRun::answer() {
    WorkerOptions worker;
    worker.rerank = options_.rerank;
    worker.likelihood = options_.likelihood;
    worker.may_withhold = options_.may_withhold;
    worker.measure_memory = readers_.size() == 1;
    worker.index_directory = index_directory_;
    return readers_.run(
        [&](std::unique_ptr<LocalReader> reader) {
            AnswerWorker worker_of_thread(set_, methods_, worker, std::move(reader));
            return answer_with(worker_of_thread);
        },
        [this] {
            failed_ = true;
            next_question_ = set_.questions.size();
        });
}

Json AnswerRun::method_json(size_t m, int64_t budget) const {
    const AnswerMethod& method = methods_[m];
    double retrieve = 0, prefill = 0, decode = 0;
    uint64_t peak = 0;
    size_t n = 0;
    for (const Json& row : record_->rows()) {
        const Json at = row.value("budget", Json());
        if (row.value("method", "") != method.name ||
            (at.is_number() ? at.get<int64_t>() : -1) != budget) {
            continue;
        }
        ++n;
        const Json seconds = row.value("seconds", Json::object());
        retrieve += seconds.value("retrieve", 0.0);
        prefill += seconds.value("prefill", 0.0);
        decode += seconds.value("decode", 0.0);
        peak = std::max(peak, row.value("peak_rss_bytes", uint64_t{0}));
    }
    const IndexCost& cost = costs_[m];
    const double load =
        readers_.load_seconds() + (method.method ? method.method->load_seconds() : 0.0);
    return {{"name", method.name},
            {"label", method.label},
            {"budget", budget < 0 ? Json() : Json(budget)},
            {"questions", n},
            {"index_bytes", cost.bytes},
            {"index_bytes_per_token",
             cost.tokens == 0 ? 0.0
                              : static_cast<double>(cost.bytes) / static_cast<double>(cost.tokens)},
            {"index_seconds", cost.seconds},
            {"peak_rss_bytes", std::max(peak, cost.peak_rss_bytes)},
            {"stages",
             {{"load", load},
              {"scan", cost.stages.scan},
              {"encode", cost.stages.encode},
              {"index_write", cost.stages.index_write},
              {"retrieve", retrieve},
              {"prefill", prefill},
              {"decode", decode}}}};
}

Json AnswerRun::methods_json() const {
    Json out = Json::array();
    for (size_t m = 0; m < methods_.size(); ++m) {
        if (!methods_[m].has_budget()) {
            out.push_back(method_json(m, -1));
            continue;
        }
        for (const uint32_t budget : options_.budgets) out.push_back(method_json(m, budget));
    }
    return out;
}

Result<Json> AnswerRun::document() {
    Json document = record_header("answers", settings_, options_.seed, record_->started(),
                                  options_.context.engine.device);
    document["data"] = {{"path", set_.path},
                        {"xxh3", set_.hash},
                        {"questions", set_.questions.size()},
                        {"documents", set_.collections.size()}};
    S3ATTN_TRY(document["model"], model_json(options_.context.engine.model));
    S3ATTN_TRY(document["reader"], model_json(readers_.options().model_path));
    document["adapter"] = answer_adapter(context_);
    document["finished"] = now_utc();
    document["seconds"] = watch_.seconds();
    document["parallel"] = std::max<size_t>(readers_.size(), 1);
    document["methods"] = methods_json();
    std::string baseline = options_.baseline;
    if (baseline.empty()) baseline = methods_.front().name;
    document["baseline"] = baseline;
    const AnswerSummary summary = summarize_answers(record_->rows(), baseline, options_.seed);
    document["summary"] = summary.summary;
    document["paired"] = summary.paired;
    document["counts"] = summary.counts;
    document["rows"] = Json::array();
    for (const Json& row : record_->rows()) document["rows"].push_back(row);
    return document;
}

// Nothing is left to do, and its index may be gone.
Result<AnswerReport> AnswerRun::finished_run() {
    auto run = read_run(report_.directory);
    if (!run.ok()) {
        return make_error(run.error().code, run.error().message + "; remove it and run again");
    }
    report_.document = std::move(run->document);
    report_.rows = record_->rows().size();
    return std::move(report_);
}

Result<AnswerReport> AnswerRun::run() {
    if (set_.questions.empty()) {
        return make_error(ErrorCode::kInvalidArgument, "there is no question to answer");
    }
    for (const std::string& note : set_.notes) report_.notes.push_back(note);
    S3ATTN_CHECK(make_methods());
    S3ATTN_CHECK(readers_.choose(options_.context.engine, options_.chat_template));
    S3ATTN_CHECK(open_record());
    S3ATTN_CHECK(plan());
    if (record_->finished() && done_ == wanted_) return finished_run();
    S3ATTN_CHECK(prepare());
    const auto open =
        std::count_if(jobs_.begin(), jobs_.end(), [](const auto& jobs) { return !jobs.empty(); });
    S3ATTN_CHECK(readers_.open(static_cast<size_t>(open), options_.parallel,
                               options_.context.engine.threads));
    S3ATTN_CHECK(answer());
    S3ATTN_TRY(report_.document, document());
    S3ATTN_CHECK(record_->finish(report_.document));
    report_.rows = record_->rows().size();
    if (options_.index_directory.empty()) {
        methods_.clear();  // they may hold files of the index open
        std::error_code ignored;
        fs::remove_all(index_directory_, ignored);
    }
    return std::move(report_);
}

// Rows carry the name of their task: that of the file when the run began.
void take_recorded_name(const std::string& directory, AnswerSet& set) {
    std::error_code ignored;
    const std::string path = directory + "/options.json";
    if (set.tasks.size() != 1 || set.tasks[0].longbench || !fs::exists(path, ignored)) return;
    const auto bytes = read_file(path, 16u << 20);
    const auto saved = bytes.ok() ? parse_json(*bytes) : Result<Json>(bytes.error());
    if (!saved.ok() || !saved->is_object() || !saved->contains("options")) return;
    const Json& options = (*saved)["options"];
    const Json& tasks = list_of(options, "tasks");
    if (text_field(options, "data_hash") != set.hash || tasks.size() != 1) return;
    if (tasks[0].is_string()) set.tasks[0].name = tasks[0].get<std::string>();
}

}  // namespace

Result<AnswerReport> run_answers(const AnswerOptions& options, AnswerSet& set, ProgressSink& sink,
                                 const CancelToken& cancel) {
    take_recorded_name(options.out, set);
    return AnswerRun(options, set, sink, cancel).run();
}

}  // namespace s3attn::eval
