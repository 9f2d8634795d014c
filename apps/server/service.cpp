#include "service.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <set>

#include "base/timing.h"
#include "followup.h"
#include "merge_found.h"
#include "s3attn/reason.h"
#include "store_calls.h"
#include "uploads.h"

namespace s3attn::server {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
constexpr int kBusySeconds = 5;   // what Retry-After says
constexpr int kReadSeconds = 10;  // the same where documents wait to be read

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
    if (error.subject == "budget") failure.param = "budget_tokens";
    if (error.reason == reason::kBudgetSmall) {
        failure.status = 409;
        failure.code = "budget_too_small";
    }
    return failure;
}

// "notes" for "dir/notes.s3/"; numbered where stores of several folders have one name.
std::string store_name(const std::string& path, const std::set<std::string>& taken) {
    fs::path clean = fs::path(path).lexically_normal();
    if (clean.filename().empty()) clean = clean.parent_path();
    std::string name =
        clean.extension() == ".s3" ? clean.stem().string() : clean.filename().string();
    if (name.empty() || name == "." || name == "..") name = "store";
    std::string unique = name;
    for (int i = 2; taken.contains(unique); ++i) unique = name + "-" + std::to_string(i);
    return unique;
}

std::string names_of(const std::vector<NamedStore>& stores) {
    std::string names;
    for (const NamedStore& store : stores) names += (names.empty() ? "" : ", ") + store.name;
    return names;
}

template <class Named>
std::optional<size_t> find_name(const std::vector<Named>& all, const std::string& name) {
    for (size_t i = 0; i < all.size(); ++i) {
        if (all[i].name == name) return i;
    }
    return {};
}

}  // namespace

Answering::~Answering() {
    if (!ended_) service_.answers_->cancel(job_);
}

std::optional<AnswerEvent> Answering::next(milliseconds time) {
    auto event = channel_->receive(time);
    if (!event && job_->dropped) {
        event.emplace();
        event->kind = AnswerEvent::Kind::kFailed;
        event->failure = shutting_down();
    }
    if (event && event->kind >= AnswerEvent::Kind::kDone) ended_ = true;
    return event;
}

Service::Service(const ServiceOptions& options) : options_(options), started_(std::time(nullptr)) {
    std::set<std::string> taken;
    for (const std::string& path : options.stores) {
        std::error_code error;
        const fs::path absolute = fs::weakly_canonical(fs::absolute(path), error);
        stores_.push_back({store_name(path, taken), error ? path : absolute.string()});
        taken.insert(stores_.back().name);
    }
    for (const std::string& file : options.readers) {
        const std::string name = fs::path(file).stem().string();
        if (!find_name(readers_, name)) readers_.push_back({name, file});
    }
    if (readers_.empty()) readers_.push_back({fs::path(options.engine.model).stem().string(), ""});
}

Result<std::unique_ptr<Service>> Service::open(const ServiceOptions& options) {
    std::unique_ptr<Service> service(new Service(options));
    S3ATTN_TRY([[maybe_unused]] const auto engine, Engine::open(options.engine));
    for (const NamedReader& reader : service->readers_) {
        std::error_code error;
        if (reader.file.empty() || fs::is_regular_file(reader.file, error)) continue;
        return make_error(ErrorCode::kNotFound, "there is no reader '" + reader.file + "'");
    }
    S3ATTN_CHECK(service->check_stores());
    EngineOptions engine_options = options.engine;
    engine_options.reader.clear();
    service->scans_ =
        std::make_unique<ScanJobs>(make_scan_work(engine_options, options.index), options.queue,
                                   [&metrics = service->metrics_](uint64_t tokens) {
                                       metrics.count_tokens_scanned(static_cast<double>(tokens));
                                   });
    service->searches_ = std::make_unique<WorkQueue>(1, options.queue, engine_options);
    service->answers_ = std::make_unique<WorkQueue>(options.answers, options.queue, engine_options);
    service->resume_uploads();
    return service;
}

Service::~Service() { stop(0); }

void Service::stop(int grace_ms) {
    if (searches_) searches_->stop(grace_ms);
    if (answers_) answers_->stop(grace_ms);
    if (scans_) scans_->stop();
}

// A store that is not there yet is made by the first upload.
Status Service::check_stores() const {
    for (const NamedStore& store : stores_) {
        const auto documents = list_store(store.path);
        if (!documents.ok() && documents.error().code != ErrorCode::kNotFound) {
            return documents.error();
        }
    }
    return {};
}

void Service::resume_uploads() {
    for (size_t i = 0; i < stores_.size(); ++i) {
        for (const auto& file : unfinished_uploads(uploads_of(i), stores_[i].path)) {
            scans_->submit({stores_[i].name, stores_[i].path, file->name(), file->path(), file},
                           true);
        }
    }
}

Outcome<std::vector<size_t>> Service::choose_stores(const std::vector<std::string>& names) const {
    std::vector<size_t> chosen;
    for (const std::string& name : names) {
        const auto found = choose_store(name);
        if (const auto* failure = std::get_if<Failure>(&found)) return *failure;
        if (std::find(chosen.begin(), chosen.end(), std::get<size_t>(found)) == chosen.end()) {
            chosen.push_back(std::get<size_t>(found));
        }
    }
    for (size_t i = 0; names.empty() && i < stores_.size(); ++i) chosen.push_back(i);
    return chosen;
}

Outcome<size_t> Service::choose_store(const std::string& name, bool or_first) const {
    if (name.empty() && (or_first || stores_.size() == 1)) return size_t{0};
    if (name.empty()) return bad_request("say which store: " + names_of(stores_), "store");
    const auto found = find_name(stores_, name);
    if (found) return *found;
    return Failure{404, "store_not_found",
                   "there is no store '" + name + "'; there are: " + names_of(stores_), "store", 0};
}

Outcome<size_t> Service::choose_reader(const std::string& name) const {
    if (name.empty()) return size_t{0};
    const auto found = find_name(readers_, name);
    if (found) return *found;
    return Failure{
        404, "model_not_found",
        "the model '" + name + "' does not exist here; GET /v1/models lists those that do", "model",
        0};
}

Outcome<Found> Service::search_now(EngineSet& engines, const std::vector<size_t>& stores,
                                   const std::string& question, const SearchOptions& options,
                                   const std::string& reader) {
    const Stopwatch watch;
    const auto engine = engines.get(reader);
    if (!engine.ok()) return failure_of(engine.error());
    std::vector<std::pair<size_t, SearchResult>> found;
    std::optional<Failure> empty;
    for (const size_t store : stores) {
        auto result = (*engine)->search(stores_[store].path, question, options);
        if (result.ok()) {
            found.emplace_back(store, std::move(*result));
            continue;
        }
        const auto listed = documents(store);
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

Outcome<Found> Service::search(const std::vector<size_t>& stores, const std::string& question,
                               const SearchOptions& options,
                               const std::function<bool()>& keep_going) {
    auto channel = std::make_shared<Channel<Outcome<Found>>>();
    const auto job = searches_->submit([=, this](EngineSet& engines, const CancelToken&) {
        channel->send(search_now(engines, stores, question, options, ""));
    });
    if (!job) return too_busy();
    for (;;) {
        if (auto outcome = channel->receive(milliseconds(50))) return std::move(*outcome);
        if (job->dropped) return shutting_down();
        if (keep_going()) continue;
        searches_->cancel(job);
        return Failure{499, "cancelled", "nobody waits for this search any more", "", 0};
    }
}

void Service::answer_now(EngineSet& engines, const Question& question, const CancelToken& cancel,
                         Channel<AnswerEvent>& channel) {
    const Stopwatch watch;
    AnswerEvent event;
    event.kind = AnswerEvent::Kind::kFailed;
    auto outcome =
        search_now(engines, question.stores, retrieval_question(question.history, question.text),
                   question.options.search, readers_[question.reader].file);
    if (const auto* failure = std::get_if<Failure>(&outcome)) {
        event.failure = *failure;
        channel.send(std::move(event));
        return;
    }
    const auto found = std::make_shared<const Found>(std::get<Found>(std::move(outcome)));
    AnswerEvent first;
    first.kind = AnswerEvent::Kind::kFound;
    first.found = found;
    channel.send(std::move(first));

    double ttft_ms = 0;
    const auto on_piece = [&](std::string_view piece) {
        if (ttft_ms == 0) {
            ttft_ms = watch.milliseconds();
            metrics_.observe_first_token(ttft_ms / 1e3);
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
        event.ttft_ms = ttft_ms;
        event.result = std::move(*result);
    } else {
        event.failure = failure_of_question(result.error());
    }
    channel.send(std::move(event));
}

Outcome<std::shared_ptr<Answering>> Service::ask(const Question& question) {
    auto channel = std::make_shared<Channel<AnswerEvent>>();
    const auto job = answers_->submit([=, this](EngineSet& engines, const CancelToken& cancel) {
        answer_now(engines, question, cancel, *channel);
    });
    if (!job) return too_busy();
    return std::make_shared<Answering>(*this, std::move(channel), job);
}

Outcome<std::vector<DocumentInfo>> Service::documents(size_t store) const {
    auto listed = list_store(stores_[store].path);
    if (listed.ok()) return std::move(*listed);
    if (listed.error().code == ErrorCode::kNotFound) return std::vector<DocumentInfo>();
    return failure_of(listed.error());
}

Outcome<DocumentInfo> Service::document(size_t store, DocumentId doc_id) const {
    auto listed = documents(store);
    if (const auto* failure = std::get_if<Failure>(&listed)) return *failure;
    for (DocumentInfo& document : std::get<std::vector<DocumentInfo>>(listed)) {
        if (document.doc_id == doc_id) return std::move(document);
    }
    return Failure{404, "document_not_found",
                   "the store '" + stores_[store].name + "' has no document " + to_string(doc_id),
                   "doc_id", 0};
}

Outcome<ScanStatus> Service::add(size_t store, const std::string& name, const std::string& file,
                                 std::shared_ptr<UploadedFile> upload) {
    const auto job = scans_->submit({stores_[store].name, stores_[store].path, name, file, upload});
    if (job) return *job;
    if (upload) upload->withdraw();
    return Failure{503, "overloaded", "too many documents wait to be read", "", kReadSeconds};
}

Outcome<ScanStatus> Service::add_upload(size_t store, const std::string& name, IncomingFile& file) {
    auto kept = file.keep(name);
    if (!kept.ok()) return failure_of(kept.error());
    return add(store, name, (*kept)->path(), *kept);
}

Outcome<DocumentInfo> Service::remove(size_t store, DocumentId doc_id) {
    const auto there = document(store, doc_id);
    if (const auto* failure = std::get_if<Failure>(&there)) return *failure;
    auto removed = scans_->remove(stores_[store].path, doc_id);
    if (!removed.ok()) return failure_of(removed.error());
    return std::move(*removed);
}

std::string Service::name_of(size_t store, const std::string& path) const {
    const std::string uploads = uploads_of(store) + "/";
    return path.starts_with(uploads) ? path.substr(uploads.size()) : path;
}

std::string Service::uploads_of(size_t store) const {
    return stores_[store].path + "/" + kUploadsFolder;
}

void Service::update_gauges() {
    metrics_.set_queue("scan", scans_->waiting(), scans_->running());
    metrics_.set_queue("search", searches_->waiting(), searches_->running());
    metrics_.set_queue("answer", answers_->waiting(), answers_->running());
}

}  // namespace s3attn::server
