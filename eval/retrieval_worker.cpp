#include "eval/retrieval_worker.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "base/parallel.h"
#include "base/timing.h"
#include "eval/index_lock.h"
#include "eval/methods.h"
#include "eval/metrics_retrieval.h"
#include "eval/trec.h"

namespace s3attn::eval {
namespace {

constexpr uint32_t kShownBudget = 1024;  // evidence of so many tokens is kept in a row

Json gold_json(const EvalQuestion& question, const Collection& collection) {
    Json out = Json::array();
    for (const Gold& gold : question.gold) {
        const std::string& text = collection.documents[gold.document];
        out.push_back({{"document", gold.document},
                       {"begin", gold.begin},
                       {"end", gold.end},
                       {"text", text.substr(gold.begin, gold.end - gold.begin)}});
    }
    return out;
}

bool touches_gold(const EvalQuestion& question, size_t document, const Span& span) {
    return std::any_of(question.gold.begin(), question.gold.end(), [&](const Gold& g) {
        return g.document == document && g.begin < span.byte_end && span.byte_begin < g.end;
    });
}

Json evidence_json(const EvalQuestion& question, const UnitStore& units, const Selection& selected,
                   const Ranks& ranks) {
    Json out = Json::array();
    for (size_t i = 0; i < selected.spans.size(); ++i) {
        const Span& span = selected.spans[i];
        const size_t document = units.document_of(span.doc_id);
        out.push_back({{"rank", ranks.of(selected.units[i])},
                       {"document", document},
                       {"begin", span.byte_begin},
                       {"end", span.byte_end},
                       {"text", span.text},
                       {"score", span.score},
                       {"gold", touches_gold(question, document, span)}});
    }
    return out;
}

// What R@n and MRR counted, in order; those that are not among the evidence were passed over, or
// came behind the end of the budget.
Json first_units_json(const EvalQuestion& question, const UnitStore& units, const Selection& first,
                      const Selection& shown) {
    Json out = Json::array();
    const size_t n =
        std::min<size_t>(first.spans.size(), kRecallDepths[std::size(kRecallDepths) - 1]);
    for (size_t i = 0; i < n; ++i) {
        const Span& span = first.spans[i];
        const size_t document = units.document_of(span.doc_id);
        const bool taken =
            std::find(shown.units.begin(), shown.units.end(), first.units[i]) != shown.units.end();
        out.push_back({{"rank", i + 1},
                       {"document", document},
                       {"begin", span.byte_begin},
                       {"end", span.byte_end},
                       {"tokens", span.tokens},
                       {"gold", touches_gold(question, document, span)},
                       {"taken", taken}});
    }
    return out;
}

Result<Json> make_row(const MethodRun& run, const EvalQuestion& question, const UnitStore& units,
                      Ranker& ranker) {
    const Stopwatch watch;
    S3ATTN_TRY(const auto ranked, ranker.rank(question.question));
    S3ATTN_TRY(const auto shown, units.select(ranked, kShownBudget, 0, run.count));
    const double seconds = watch.seconds();
    S3ATTN_TRY(const Selection first, first_units(units, ranked, run.count));
    S3ATTN_TRY(const auto metrics,
               retrieval_metrics(question, run.data.collections[question.collection], units, ranked,
                                 first, run.budgets, run.count));
    S3ATTN_TRY(const auto withheld, ranker.withheld(question.question));
    Json row{{"id", question.id},
             {"group", question.group},
             {"question", question.question},
             {"answers", question.answers},
             {"method", run.method.name()},
             {"metrics", Json::object()},
             {"gold", gold_json(question, run.data.collections[question.collection])},
             {"evidence", evidence_json(question, units, shown, Ranks(first, ranked))},
             {"first_units", first_units_json(question, units, first, shown)},
             {"seconds", {{"retrieve", seconds}}}};
    for (const uint32_t n : kRecallDepths) {  // in the order of tables, not of the alphabet
        const auto found = metrics.find("r" + std::to_string(n));
        if (found != metrics.end()) row["metrics"][found->first] = found->second;
    }
    if (metrics.contains("mrr")) row["metrics"]["mrr"] = metrics.at("mrr");
    for (const char* kind : {"ev", "all"}) {
        for (const uint32_t budget : run.budgets) {
            const auto found = metrics.find(kind + std::to_string(budget));
            if (found != metrics.end()) row["metrics"][found->first] = found->second;
        }
    }
    const Collection& collection = run.data.collections[question.collection];
    if (!question.relevance.empty() && !collection.names.empty()) {
        S3ATTN_TRY(const auto documents, rank_documents(units, ranked));
        for (const auto& [name, value] : document_metrics(question.relevance, documents)) {
            row["metrics"][name] = value;
        }
        row["documents"] = trec_json(documents, collection);
    }
    if (withheld) row["metrics"]["withheld"] = *withheld ? 1.0 : 0.0;
    return row;
}

// The questions of one collection that have no row yet.
using Pending = std::map<size_t, std::vector<size_t>>;  // collection -> questions

Pending find_pending(const MethodRun& run, const RunRecord& record) {
    std::set<std::string> done;
    for (const Json& row : record.rows()) {
        if (row.contains("id") && row.value("method", std::string()) == run.method.name()) {
            done.insert(row["id"].get<std::string>());
        }
    }
    Pending pending;
    for (size_t q = 0; q < run.data.questions.size(); ++q) {
        auto& list = pending[run.data.questions[q].collection];
        if (!done.contains(run.data.questions[q].id)) list.push_back(q);
    }
    return pending;
}

// Shared by the threads of one collection.
struct Work {
    const MethodRun& run;
    const std::vector<size_t>& questions;
    std::string units, directory;
    RunRecord& record;
    ProgressSink& sink;
    Progress& progress;
    const CancelToken& cancel;
    std::atomic<size_t> next = 0;
    std::mutex mutex{};
    Status status{};
};

Status work_through(Work& work) {
    S3ATTN_TRY(const auto units, UnitStore::open(work.units));
    S3ATTN_TRY(const auto ranker, work.run.method.open(work.units, work.directory));
    for (;;) {
        const size_t i = work.next++;
        if (i >= work.questions.size()) return {};
        if (work.cancel.cancelled()) return make_error(ErrorCode::kCancelled, "interrupted");
        const EvalQuestion& question = work.run.data.questions[work.questions[i]];
        auto row = make_row(work.run, question, *units, *ranker);
        if (!row.ok()) {
            return make_error(row.error().code,
                              "question " + question.id + ": " + row.error().message);
        }
        S3ATTN_CHECK(work.record.add_row(*std::move(row)));
        const std::lock_guard lock(work.mutex);
        if (!work.status.ok()) return {};
        ++work.progress.done;
        work.sink.update(work.progress);
    }
}

Status rank_collection(Work& work) {
    if (work.questions.empty()) return {};
    const size_t n = std::clamp<size_t>(work.questions.size(), 1, work.run.workers);
    const auto run_one = [&work] {
        Status status = work_through(work);
        if (status.ok()) return;
        const std::lock_guard lock(work.mutex);
        if (work.status.ok()) work.status = status;
        work.next = work.questions.size();
    };
    std::vector<std::thread> threads;
    for (size_t t = 1; t < n; ++t) threads.emplace_back(run_one);
    run_one();
    for (std::thread& thread : threads) thread.join();
    return work.status;
}

Result<IndexCost> prepare(const Work& work, const Collection& collection) {
    S3ATTN_TRY(const IndexLock lock, IndexLock::take(work.directory, work.cancel));
    return work.run.method.prepare(collection, work.units, work.directory, work.sink, work.cancel);
}

Json method_json(const MethodRun& run, const RunRecord& record, const IndexCost& cost,
                 uint64_t retrieve_peak) {
    double retrieve = 0;
    uint64_t peak = retrieve_peak;
    for (const Json& row : record.rows()) {
        if (row.value("method", std::string()) != run.method.name()) continue;
        if (row.contains("seconds")) retrieve += row["seconds"].value("retrieve", 0.0);
        if (row.contains("peak_rss_bytes")) {
            peak = std::max(peak, row["peak_rss_bytes"].get<uint64_t>());
        }
    }
    const auto tokens = static_cast<double>(std::max<uint64_t>(cost.tokens, 1));
    return Json{{"name", run.method.name()},
                {"label", run.method.label()},
                {"index_bytes", cost.bytes},
                {"index_bytes_per_token", static_cast<double>(cost.bytes) / tokens},
                {"index_seconds", cost.seconds},
                {"index_peak_rss_bytes", cost.peak_rss_bytes},
                {"retrieve_peak_rss_bytes", peak},
                {"peak_rss_bytes", std::max(peak, cost.peak_rss_bytes)},
                {"workers", run.workers},
                {"stages",
                 {{"load", run.method.load_seconds()},
                  {"scan", cost.stages.scan},
                  {"encode", cost.stages.encode},
                  {"index_write", cost.stages.index_write},
                  {"retrieve", retrieve},
                  {"prefill", 0.0},
                  {"decode", 0.0}}}};
}

}  // namespace

uint32_t workers_for(uint32_t wanted, uint32_t memory_mib) {
    const auto available =
        static_cast<double>(sysconf(_SC_AVPHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
    const double fit = 0.75 * available / (std::max(1u, memory_mib) * 1048576.0);
    const auto most = static_cast<uint32_t>(std::clamp(fit, 1.0, 1024.0));
    return std::min(most, wanted == 0 ? available_threads() : wanted);
}

Result<Json> run_method(const MethodRun& run, RunRecord& record, ProgressSink& sink,
                        const CancelToken& cancel) {
    const Pending pending = find_pending(run, record);
    IndexCost total;
    uint64_t tokens = 0, peak = 0;
    Progress progress{run.method.name(), "", 0, 0, "questions", 0};
    for (const auto& [collection, questions] : pending) progress.total += questions.size();
    for (const auto& [c, questions] : pending) {
        if (cancel.cancelled()) return make_error(ErrorCode::kCancelled, "interrupted");
        const Collection& collection = run.data.collections[c];
        reset_peak_memory();
        Work work{run,
                  questions,
                  units_directory(run.index, collection),
                  index_directory(run.index, collection),
                  record,
                  sink,
                  progress,
                  cancel};
        S3ATTN_TRY(const IndexCost cost, prepare(work, collection));
        total.add(cost);
        tokens += cost.tokens;
        reset_peak_memory();
        S3ATTN_CHECK(rank_collection(work));
        if (!questions.empty()) peak = std::max(peak, peak_memory_bytes());
    }
    if (progress.total > 0) {
        S3ATTN_CHECK(record.add_row({{"method", run.method.name()}, {"peak_rss_bytes", peak}}));
    }
    total.tokens = tokens;
    return method_json(run, record, total, peak);
}

}  // namespace s3attn::eval
