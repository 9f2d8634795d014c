#include "questions.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <map>

#include "answer/followup.h"
#include "base/timing.h"
#include "merge_found.h"
#include "remote/reader_url.h"
#include "s3attn/reason.h"

namespace s3attn::server {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
constexpr int kBusySeconds = 5;         // what Retry-After says
constexpr milliseconds kLookAgain{50};  // whether anybody waits still

Failure too_busy() {
    return {503, "overloaded", "the queue is full; try again in a few seconds", "", kBusySeconds};
}

Failure shutting_down() {
    return {503, "cancelled", "the server is shutting down", "", kBusySeconds};
}

Failure no_documents(const std::string& where) {
    return {409, "no_documents",
            where +
                " no documents yet: upload one (POST /v1/documents), or add some with "
                "`s3attn index STORE FILE...`",
            "", 0};
}

// A budget that is wrong only for these documents or this model is no malformed request.
Failure failure_of_question(const Error& error) {
    Failure failure = failure_of(error);
    if (error.subject == "budget") {
        failure.param = "budget_tokens";
        failure.message += " (budget_tokens)";
    }
    if (error.reason == reason::kNoRerank) {
        failure = {409, "no_second_stage", error.message, "rerank", 0};
    }
    if (error.reason == reason::kFilterEmpty) {
        failure = {404, "filter_empty", error.message, "filter", 0};
    }
    // The last document was removed while the question waited.
    if (error.reason == reason::kStoreEmpty) failure = no_documents("the store holds");
    if (error.reason == reason::kNoVectors || error.subject == "embedder") {
        failure = {409, "no_vectors",
                   error.message + ": `s3attn index STORE FILES --embed MODEL` makes them",
                   "method", 0};
    }
    if (error.reason == reason::kBudgetSmall) {
        failure.status = 409;
        failure.code = "budget_too_small";
    }
    return failure;
}

// A request names its reader. Passages are read again by the first that is a file, in a search too.
EngineOptions for_requests(EngineOptions options, const std::vector<std::string>& readers) {
    options.reader.clear();
    for (const std::string& reader : readers) {
        if (options.rerank_model.empty() && !is_reader_url(reader)) options.rerank_model = reader;
    }
    return options;
}

// Only shares of attention are wanted of it.
EngineOptions without_second_stage(EngineOptions options) {
    options.rerank.mode = RerankOptions::Mode::kOff;
    return for_requests(std::move(options), {});
}

}  // namespace

Answering::~Answering() {
    if (done_) return;  // a failure may leave an answer that waits for nothing
    if (search_.job) search_.queue->cancel(search_.job);
    answer_.queue->cancel(answer_.job);
}

std::optional<AnswerEvent> Answering::next(milliseconds time) {
    auto event = channel_->receive(time);
    if (!event && answer_.job->dropped) {
        event.emplace();
        event->kind = AnswerEvent::Kind::kFailed;
        event->failure = shutting_down();
    }
    if (event) done_ = event->kind == AnswerEvent::Kind::kDone;
    if (event && event->kind >= AnswerEvent::Kind::kDone) ended_ = true;
    return event;
}

Questions::Questions(const Stores& stores, const EngineOptions& engine,
                     const std::vector<std::string>& readers, size_t answers, size_t waiting,
                     Metrics& metrics)
    : stores_(stores),
      scanning_model_(fs::path(engine.model).stem().string()),
      window_(engine.reader_context > 0 ? engine.reader_context : 8192),
      rerank_(engine.rerank),
      metrics_(metrics),
      // Also with as many questions under way as may be there is room for `waiting` searches.
      searches_(1, waiting + answers + waiting, for_requests(engine, readers)),
      answers_(answers, waiting, for_requests(engine, readers)),
      reranks_(1, waiting, without_second_stage(engine)) {
    for (const std::string& file : readers) {
        const std::string name =
            is_reader_url(file) ? file.substr(file.find('#') + 1) : fs::path(file).stem().string();
        const bool known = std::any_of(readers_.begin(), readers_.end(),
                                       [&](const auto& one) { return one.name == name; });
        if (!known) readers_.push_back({name, file});
    }
    if (readers_.empty()) readers_.push_back({scanning_model_, ""});
}

Status Questions::check_readers() const {
    for (const NamedReader& reader : readers_) {
        std::error_code error;
        if (reader.file.empty() || is_reader_url(reader.file) ||
            fs::is_regular_file(reader.file, error)) {
            continue;
        }
        return make_error(ErrorCode::kNotFound, "there is no reader '" + reader.file + "'");
    }
    return {};
}

Outcome<size_t> Questions::choose_reader(const std::string& name) const {
    if (name.empty()) return size_t{0};
    for (size_t i = 0; i < readers_.size(); ++i) {
        if (readers_[i].name == name) return i;
    }
    return Failure{
        404, "model_not_found",
        "the model '" + name + "' does not exist here; GET /v1/models lists those that do", "model",
        0};
}

Outcome<Found> Questions::search_now(EngineSet& engines, const std::vector<size_t>& stores,
                                     const std::string& question, SearchOptions options,
                                     const CancelToken& cancel) {
    const Stopwatch watch;
    const auto engine = engines.get("");
    if (!engine.ok()) return failure_of(engine.error());
    std::vector<std::pair<size_t, SearchResult>> found;
    std::optional<Failure> empty;
    options.cancel = &cancel;
    options.quote = true;
    for (const size_t store : stores) {
        const auto opened = Store::open(stores_[store].path);
        auto result = opened.ok() ? (*engine)->search(*opened, question, options)
                                  : Result<SearchResult>(opened.error());
        if (result.ok()) {
            found.emplace_back(store, std::move(*result));
            continue;
        }
        if (result.error().code == ErrorCode::kCancelled) return failure_of(result.error());
        if (result.error().reason == reason::kFilterEmpty) {  // another store may have some
            empty = failure_of_question(result.error());
            continue;
        }
        const auto listed = stores_.documents(store);
        const auto* there = std::get_if<std::vector<DocumentInfo>>(&listed);
        if (there == nullptr || !there->empty()) return failure_of_question(result.error());
        empty = no_documents("the store '" + stores_[store].name + "' has");
    }
    if (found.empty()) return empty.value_or(no_documents("there are"));
    Found merged = merge_found(std::move(found), options.budget_tokens, options.max_spans);
    merged.milliseconds = watch.milliseconds();
    metrics_.observe_retrieval(watch.seconds());
    return merged;
}

Outcome<Found> Questions::search(const std::vector<size_t>& stores, const std::string& question,
                                 const SearchOptions& options,
                                 const std::function<bool()>& keep_going) {
    auto channel = std::make_shared<Channel<Outcome<Found>>>();
    const auto job = searches_.submit([=, this](EngineSet& engines, const CancelToken& cancel) {
        channel->send(search_now(engines, stores, question, options, cancel));
    });
    return wait_for(searches_, job, *channel, keep_going);
}

template <class Value>
Outcome<Value> Questions::wait_for(WorkQueue& queue, const std::shared_ptr<WorkQueue::Job>& job,
                                   Channel<Outcome<Value>>& channel,
                                   const std::function<bool()>& keep_going) {
    if (!job) return too_busy();
    for (;;) {
        if (auto outcome = channel.receive(milliseconds(50))) return std::move(*outcome);
        if (job->dropped) return shutting_down();
        if (keep_going()) continue;
        queue.cancel(job);
        return Failure{499, "cancelled", "nobody waits for this any more", "", 0};
    }
}

namespace {

std::vector<double> shares_of(const InlineStore& store, const SearchResult& result, size_t n) {
    std::vector<double> shares(n);
    for (const UnitAttention& unit : result.attention.units) {
        if (const auto number = store.number_of(unit.doc_id))
            shares[*number] += unit.score_of("s3");
    }
    return shares;
}

}  // namespace

Outcome<std::vector<double>> Questions::rerank(const std::string& question,
                                               const InlineDocuments& documents,
                                               const std::function<bool()>& keep_going) {
    using Shares = Outcome<std::vector<double>>;
    auto channel = std::make_shared<Channel<Shares>>();
    const auto work = [question, documents](EngineSet& engines,
                                            const CancelToken& cancel) -> Shares {
        const auto engine = engines.get("");
        if (!engine.ok()) return failure_of(engine.error());
        const auto scanned = InlineStore::scan(**engine, *documents, cancel);
        if (const auto* failure = std::get_if<Failure>(&scanned)) return *failure;
        const auto& store = std::get<std::shared_ptr<InlineStore>>(scanned);
        if (store->empty()) return std::vector<double>(documents->size());
        SearchOptions options;
        options.method = "s3";
        options.budget_tokens = 1u << 30;
        options.max_spans = 1;
        options.attention = true;
        options.cancel = &cancel;
        const auto opened = Store::open(store->path());
        if (!opened.ok()) return failure_of(opened.error());
        const auto result = (*engine)->search(*opened, question, options);
        if (!result.ok()) return failure_of_question(result.error());
        return shares_of(*store, *result, documents->size());
    };
    const auto job =
        reranks_.submit([channel, work](EngineSet& engines, const CancelToken& cancel) {
            channel->send(work(engines, cancel));
        });
    return wait_for(reranks_, job, *channel, keep_going);
}

Outcome<Found> Questions::search_documents(EngineSet& engines, const Question& question,
                                           const CancelToken& cancel) {
    const Stopwatch watch;
    const auto engine = engines.get(readers_[question.reader].file);
    if (!engine.ok()) return failure_of(engine.error());
    const auto got = inline_stores_.get(**engine, question.owner, question.documents, cancel);
    if (const auto* failure = std::get_if<Failure>(&got)) return *failure;
    const auto& store = std::get<std::shared_ptr<InlineStore>>(got);
    if (store->empty()) return bad_request("the documents of the request are empty");
    SearchOptions options = question.options.search;
    options.cancel = &cancel;
    options.quote = true;
    const auto opened = Store::open(store->path());
    if (!opened.ok()) return failure_of(opened.error());
    auto result =
        (*engine)->search(*opened, retrieval_question(question.history, question.text), options);
    if (!result.ok()) return failure_of_question(result.error());
    Found found;
    found.inline_store = store;
    found.result = std::move(*result);
    for (Span& span : found.result.spans) {
        const size_t number = store->number_of(span.doc_id).value_or(0);
        const std::string& title = (*question.documents)[number].title;
        span.path = title.empty() ? "document " + std::to_string(number + 1) : title;
    }
    found.milliseconds = watch.milliseconds();
    return found;
}

// Tells the client what was found, or why nothing can be. A failure is told to `evidence`, if there
// is such a thing, first: the client may have gone as soon as it knows.
std::shared_ptr<const Found> Questions::tell(Outcome<Found> outcome, Channel<AnswerEvent>& channel,
                                             EvidenceChannel* evidence) {
    AnswerEvent event;
    if (const auto* failure = std::get_if<Failure>(&outcome)) {
        event.kind = AnswerEvent::Kind::kFailed;
        event.failure = *failure;
        if (evidence != nullptr) evidence->send(nullptr);
        channel.send(std::move(event));
        return nullptr;
    }
    event.kind = AnswerEvent::Kind::kFound;
    const auto found = std::make_shared<const Found>(std::get<Found>(std::move(outcome)));
    event.found = found;
    channel.send(std::move(event));
    if (evidence != nullptr) evidence->send(found);
    return found;
}

// The pieces go to the channel; the last event is returned.
AnswerEvent Questions::write_answer(EngineSet& engines, const Question& question,
                                    const std::shared_ptr<const Found>& found,
                                    const CancelToken& cancel, Channel<AnswerEvent>& channel,
                                    const Stopwatch& watch) {
    AnswerEvent event;
    const auto on_piece = [&](std::string_view piece) {
        if (event.ttft_ms == 0) {
            event.ttft_ms = watch.milliseconds();
            metrics_.observe_first_token(event.ttft_ms / 1e3);
        }
        AnswerEvent next;
        next.piece = piece;
        channel.send(std::move(next));
        return !cancel.cancelled();
    };
    SearchResult evidence = found->result;
    evidence.attention = {};
    evidence.question = question.text;
    AskOptions options = question.options;
    options.history = question.history;
    options.cancel = &cancel;
    const auto engine = engines.get(readers_[question.reader].file);
    auto result = engine.ok() ? (*engine)->answer(std::move(evidence), options, on_piece)
                              : Result<AskResult>(engine.error());
    if (cancel.cancelled()) metrics_.count_cancelled();
    if (result.ok()) {
        metrics_.count_answer_tokens(result->answer_tokens);
        event.kind = AnswerEvent::Kind::kDone;
        event.found = found;
        event.retrieval_ms = found->milliseconds;
        event.result = std::move(*result);
    } else {
        event.kind = AnswerEvent::Kind::kFailed;
        event.failure = failure_of_question(result.error());
    }
    return event;
}

// Documents of the request are scanned by the answer's own thread. What is in the stores is found
// by the searching one, so that the evidence does not wait for the answers before this one; the
// answer takes its place in its queue at once.
Outcome<std::shared_ptr<Answering>> Questions::ask(const Question& question) {
    const auto channel = std::make_shared<Channel<AnswerEvent>>();
    const Stopwatch watch;
    const auto answer = [=, this](EngineSet& engines, const CancelToken& cancel,
                                  const std::shared_ptr<const Found>& found) {
        if (found) channel->send(write_answer(engines, question, found, cancel, *channel, watch));
    };
    if (question.documents) {
        const auto job = answers_.submit([=, this](EngineSet& engines, const CancelToken& cancel) {
            auto outcome = search_documents(engines, question, cancel);
            if (std::holds_alternative<Failure>(outcome) && cancel.cancelled()) {
                metrics_.count_cancelled();
            }
            answer(engines, cancel, tell(std::move(outcome), *channel, nullptr));
        });
        if (!job) return too_busy();
        return std::make_shared<Answering>(QueuedJob{}, QueuedJob{&answers_, job}, channel);
    }
    const auto evidence = std::make_shared<EvidenceChannel>();
    const auto counted = std::make_shared<std::atomic<bool>>(false);
    const auto count_cancelled = [this, counted] {
        if (!counted->exchange(true)) metrics_.count_cancelled();
    };
    const auto job = answers_.submit([=, this](EngineSet& engines, const CancelToken& cancel) {
        auto found = evidence->receive(kLookAgain);
        while (!found && !cancel.cancelled()) found = evidence->receive(kLookAgain);
        if (!found) found = evidence->receive(milliseconds(0));
        if (found) return answer(engines, cancel, *found);
        count_cancelled();
        tell(shutting_down(), *channel, nullptr);  // where anybody is there to hear it
    });
    if (!job) return too_busy();
    const auto search = searches_.submit([=, this](EngineSet& engines, const CancelToken& cancel) {
        auto outcome = search_now(engines, question.stores,
                                  retrieval_question(question.history, question.text),
                                  question.options.search, cancel);
        if (std::holds_alternative<Failure>(outcome) && cancel.cancelled()) count_cancelled();
        tell(std::move(outcome), *channel, evidence.get());
    });
    if (!search) {
        evidence->send(nullptr);
        answers_.cancel(job);
        return too_busy();
    }
    return std::make_shared<Answering>(QueuedJob{&searches_, search}, QueuedJob{&answers_, job},
                                       channel);
}

void Questions::update_gauges() {
    metrics_.set_queue("search", searches_.waiting(), searches_.running());
    metrics_.set_queue("answer", answers_.waiting(), answers_.running());
    metrics_.set_queue("rerank", reranks_.waiting(), reranks_.running());
}

void Questions::stop(int grace_ms) {
    searches_.stop(grace_ms);
    answers_.stop(grace_ms);
    reranks_.stop(0);
}

}  // namespace s3attn::server
