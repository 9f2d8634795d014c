#include "eval/retrieval.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "base/files.h"
#include "base/parallel.h"
#include "base/timing.h"
#include "eval/index_files.h"
#include "eval/index_lock.h"
#include "eval/method_parts.h"
#include "eval/report.h"
#include "eval/retrieval_worker.h"
#include "eval/scan_model.h"
#include "eval/summary.h"
#include "eval/trec.h"

namespace s3attn::eval {
namespace {

const char* name_of(Haystack haystack) {
    return haystack == Haystack::kPooled ? "pooled"
           : haystack == Haystack::kOwn  ? "own"
                                         : "default";
}

// Everything that decides the rows. Threads and folders do not.
Result<Json> options_json(const RetrievalOptions& options, const Dataset& data,
                          const std::string& baseline) {
    const EngineOptions& engine = options.context.engine;
    const SearchOptions& search = options.context.search;
    S3ATTN_TRY(const Json model, model_json(engine.model));
    Json reader = nullptr;
    if (!engine.reader.empty()) {
        S3ATTN_TRY(const Json info, model_json(engine.reader));
        reader = info["hash"];
    }
    Json adapter = nullptr;  // methods of words and embeddings need none
    if (const auto found = options.context.model->adapter(); found.ok()) {
        adapter = hash_bytes((*found)->key_side_hash + (*found)->training_record);
    }
    S3ATTN_TRY(const Json embedder, embedder_hash(options.methods, options.context));
    // What decides the second stage: its adapter's heads among it.
    Json stage = nullptr;
    if (options.context.stage) stage = options.context.stage->identity();
    return Json{{"data", std::filesystem::path(options.data.path).filename().string()},
                {"data_hash", data.hash},
                {"format", data.format},
                {"haystack", name_of(options.data.haystack)},
                {"offsets", options.data.offsets == Offsets::kChars ? "chars" : "bytes"},
                {"extra_files", options.data.extra.size()},
                {"limit", options.data.limit},
                {"seed", options.data.seed},
                {"methods", options.methods},
                {"baseline", baseline},
                {"budgets", options.budgets},
                {"model", model["hash"]},
                {"reader", reader},
                {"adapter", adapter},
                {"embedder", embedder},
                {"chunk", options.context.model->chunk_tokens()},
                {"scoring", scoring_name(search.scoring)},
                {"max_features", search.max_features},
                {"rounds", search.rounds},
                {"round_query", round_query_name(search.round_query)},
                {"round_weight", search.round_weight},
                {"rerank", stage}};
}

Result<std::string> choose_baseline(const RetrievalOptions& options) {
    const auto& methods = options.methods;
    if (options.baseline.empty()) {
        const bool words = std::find(methods.begin(), methods.end(), "bm25") != methods.end();
        return words ? std::string("bm25") : methods.front();
    }
    if (std::find(methods.begin(), methods.end(), options.baseline) == methods.end()) {
        return make_error(ErrorCode::kInvalidArgument,
                          "--baseline " + options.baseline + " is not among the methods");
    }
    return options.baseline;
}

Status check_options(const RetrievalOptions& options) {
    if (options.methods.empty() || options.budgets.empty()) {
        return make_error(ErrorCode::kInvalidArgument, "no methods, or no budgets");
    }
    return check_lists(options.methods, options.budgets);
}

// Numbers of what a run is about, for people and for the record.
struct Totals {
    uint64_t documents = 0, units = 0, tokens = 0;
};

Result<Totals> build_units(const RetrievalOptions& options, const std::string& index,
                           const Dataset& data, MethodContext& context, ProgressSink& sink,
                           const CancelToken& cancel) {
    (void)options;
    Totals totals;
    S3ATTN_TRY(const CountTokens count, scan_counter(context));
    std::set<size_t> used;
    for (const EvalQuestion& question : data.questions) used.insert(question.collection);
    Progress progress{"prepare", "", 0, used.size(), "collections", 0};
    for (const size_t c : used) {
        if (cancel.cancelled()) return make_error(ErrorCode::kCancelled, "interrupted");
        const Collection& collection = data.collections[c];
        const std::string directory = units_directory(index, collection);
        S3ATTN_TRY(const IndexLock lock,
                   IndexLock::take(index_directory(index, collection), cancel));
        S3ATTN_CHECK(UnitStore::build(collection, directory, count));
        S3ATTN_TRY(const auto units, UnitStore::open(directory));
        if (units->size() == 0) {
            const auto asked =
                std::find_if(data.questions.begin(), data.questions.end(),
                             [c](const EvalQuestion& q) { return q.collection == c; });
            return make_error(ErrorCode::kInvalidArgument,
                              "the documents of question '" + asked->id + "' hold no text");
        }
        totals.documents += collection.documents.size();
        totals.units += units->size();
        totals.tokens += units->reader().live_tokens();
        ++progress.done;
        sink.update(progress);
    }
    return totals;
}

Json adapter_json(const MethodContext& context) {
    const auto adapter = context.model->adapter();
    if (!adapter.ok()) return nullptr;
    return Json{
        {"path", context.engine.adapter.empty() ? (*adapter)->name : context.engine.adapter},
        {"hash", (*adapter)->key_side_hash}};
}

std::vector<Json> in_order(const std::vector<Json>& rows, const Dataset& data,
                           const std::vector<std::string>& methods) {
    std::map<std::string, size_t> question_order, method_order;
    for (size_t i = 0; i < data.questions.size(); ++i) question_order[data.questions[i].id] = i;
    for (size_t i = 0; i < methods.size(); ++i) method_order[methods[i]] = i;
    std::vector<Json> sorted;
    for (const Json& row : rows) {
        if (row.contains("id")) sorted.push_back(row);
    }
    const auto key = [&](const Json& row) {
        return std::pair(question_order[row["id"].get<std::string>()],
                         method_order[row["method"].get<std::string>()]);
    };
    std::stable_sort(sorted.begin(), sorted.end(),
                     [&](const Json& a, const Json& b) { return key(a) < key(b); });
    return sorted;
}

}  // namespace

Result<Json> run_retrieval(const RetrievalOptions& given, ProgressSink& sink,
                           const CancelToken& cancel, std::string* out_directory) {
    RetrievalOptions options = given;
    S3ATTN_CHECK(check_options(options));
    S3ATTN_TRY(const Dataset data, load_dataset(options.data));
    for (const std::string& note : data.notes) sink.note(note);
    std::vector<std::unique_ptr<Method>> methods;
    for (const std::string& spec : options.methods) {
        S3ATTN_TRY(auto method, make_method(spec, options.context));
        methods.push_back(std::move(method));
    }
    S3ATTN_TRY(const std::string baseline, choose_baseline(options));
    S3ATTN_TRY(const Json settings, options_json(options, data, baseline));
    if (options.out.empty()) {
        options.out = "s3attn-eval/retrieval-" +
                      std::filesystem::path(options.data.path).stem().string() + "-" +
                      hash_bytes(dump_json(settings)).substr(0, 8);
    }
    if (out_directory != nullptr) *out_directory = options.out;
    S3ATTN_TRY(const auto record, RunRecord::open(options.out, settings));
    if (record->finished()) {  // only shown again: what it says when and how it was made stays
        S3ATTN_TRY(ReportRun run, read_run(options.out));
        return std::move(run.document);
    }
    const std::string index = options.index.empty() ? options.out + "/index" : options.index;

    const Stopwatch watch;
    S3ATTN_TRY(const Totals totals,
               build_units(options, index, data, options.context, sink, cancel));
    S3ATTN_TRY(const CountTokens count, reader_counter(options.context.engine));
    Json costs = Json::array();
    for (const auto& method : methods) {
        MethodRun run{*method, data,
                      index,   options.budgets,
                      count,   workers_for(options.threads, options.context.memory_mib)};
        S3ATTN_TRY(const Json cost, run_method(run, *record, sink, cancel));
        costs.push_back(cost);
    }

    const std::vector<Json> rows = in_order(record->rows(), data, options.methods);
    Json document = record_header("retrieval", settings, options.data.seed, record->started(),
                                  options.context.engine.device);
    document["data"] = Json{{"path", options.data.path},
                            {"xxh3", data.hash},
                            {"questions", data.questions.size()},
                            {"documents", totals.documents},
                            {"units", totals.units},
                            {"tokens", totals.tokens}};
    S3ATTN_TRY(document["model"], model_json(options.context.engine.model));
    document["adapter"] = adapter_json(options.context);
    document["reader"] = nullptr;
    if (!options.context.engine.reader.empty()) {
        S3ATTN_TRY(document["reader"], model_json(options.context.engine.reader));
    }
    document["finished"] = now_utc();
    document["seconds"] = watch.seconds();
    document["resumed"] = record->resumed();
    document["methods"] = costs;
    document["summary"] = summarise(rows, options.methods, options.data.seed);
    document["paired"] = compare(rows, options.methods, baseline, options.data.seed);
    document["rows"] = rows;
    S3ATTN_CHECK(write_trec_files(options.out, data, rows));
    S3ATTN_CHECK(record->finish(document));
    return document;
}

}  // namespace s3attn::eval
