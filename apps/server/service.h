// What the server does, whichever way it is asked: HTTP and MCP are two front doors to this.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "channel.h"
#include "errors.h"
#include "metrics.h"
#include "s3attn/engine.h"
#include "scan_jobs.h"
#include "work_queue.h"

namespace s3attn::server {

struct ServiceOptions {
    EngineOptions engine;              // the scanning model; `reader` is not used
    std::vector<std::string> stores;   // directories
    std::vector<std::string> readers;  // GGUF files; none: the scanning model answers
    size_t answers = 1;                // at a time
    size_t queue = 16;                 // jobs that wait, of each kind
    uint64_t max_upload_bytes = 256ull << 20;
    IndexOptions index;
};

struct NamedStore {
    std::string name, path;
};
struct NamedReader {
    std::string name, file;  // no file: the scanning model
};

// Evidence of one or several stores; span i is of stores[i].
struct Found {
    SearchResult result;
    std::vector<size_t> stores;  // indices into Service::stores()
    double milliseconds = 0;
    // With SearchOptions::attention: all units of each store that was searched. The rest of it is
    // in `result`.
    std::vector<std::pair<size_t, std::vector<UnitAttention>>> units;
};

struct Question {
    std::string text;
    std::vector<ChatTurn> history;
    std::vector<size_t> stores;  // to search
    size_t reader = 0;
    AskOptions options;
};

// What comes back while a question is answered, in this order: found, any number of pieces, then
// done; or a failure at any point, as the last.
struct AnswerEvent {
    enum class Kind { kFound, kPiece, kDone, kFailed } kind = Kind::kPiece;
    std::shared_ptr<const Found> found;  // kFound, kDone
    std::string piece;
    AskResult result;
    double retrieval_ms = 0, ttft_ms = 0;
    Failure failure;
};

class Service;

// A question under way. Destroying it stops the answer.
class Answering {
  public:
    Answering(Service& service, std::shared_ptr<Channel<AnswerEvent>> channel,
              std::shared_ptr<WorkQueue::Job> job)
        : service_(service), channel_(std::move(channel)), job_(std::move(job)) {}
    ~Answering();
    Answering(const Answering&) = delete;
    Answering& operator=(const Answering&) = delete;
    // Nothing when no event came in time.
    std::optional<AnswerEvent> next(std::chrono::milliseconds time);
    bool ended() const { return ended_; }
    // No more pieces are wanted; done (with what there is), or a failure, still comes.
    void stop() { job_->cancel.cancel(); }

  private:
    Service& service_;
    std::shared_ptr<Channel<AnswerEvent>> channel_;
    std::shared_ptr<WorkQueue::Job> job_;
    bool ended_ = false;
};

template <class T>
using Outcome = std::variant<T, Failure>;

class Service {
  public:
    // Failures of the model, an adapter or a store that is none are told here, not later.
    static Result<std::unique_ptr<Service>> open(const ServiceOptions& options);
    ~Service();

    const ServiceOptions& options() const { return options_; }
    const std::vector<NamedStore>& stores() const { return stores_; }
    const std::vector<NamedReader>& readers() const { return readers_; }
    Metrics& metrics() { return metrics_; }
    ScanJobs& scans() { return *scans_; }
    int64_t started() const { return started_; }  // seconds since 1970

    // By name; empty: every store.
    Outcome<std::vector<size_t>> choose_stores(const std::vector<std::string>& names) const;
    // The one store, by name; no name: only where there is just one, or `or_first`.
    Outcome<size_t> choose_store(const std::string& name, bool or_first = false) const;
    // By name; empty: the first. 404 model_not_found.
    Outcome<size_t> choose_reader(const std::string& name) const;

    // Budgets count in tokens of the scanning model here, of the reader in ask(). Looks at
    // `keep_going` now and then; false ends it.
    Outcome<Found> search(const std::vector<size_t>& stores, const std::string& question,
                          const SearchOptions& options, const std::function<bool()>& keep_going);
    Outcome<std::shared_ptr<Answering>> ask(const Question& question);

    // Documents of a store; none where there is no store yet.
    Outcome<std::vector<DocumentInfo>> documents(size_t store) const;
    Outcome<DocumentInfo> document(size_t store, DocumentId doc_id) const;
    Outcome<DocumentInfo> remove(size_t store, DocumentId doc_id);
    // Has a document read: what a client sent, or a file of the client's own, which stays as it is.
    // 503 when too many wait.
    Outcome<ScanStatus> add_upload(size_t store, const std::string& name, IncomingFile& file);
    Outcome<ScanStatus> add_file(size_t store, const std::string& name, const std::string& file) {
        return add(store, name, file, nullptr);
    }

    // The name under which people know a document: an upload's own name, else its path.
    std::string name_of(size_t store, const std::string& path) const;
    std::string uploads_of(size_t store) const;

    void update_gauges();
    // Running answers may end for `grace_ms`; the scan ends at its next commit point.
    void stop(int grace_ms);

  private:
    explicit Service(const ServiceOptions& options);
    Status check_stores() const;
    void resume_uploads();
    Outcome<ScanStatus> add(size_t store, const std::string& name, const std::string& file,
                            std::shared_ptr<UploadedFile> upload);
    Outcome<Found> search_now(EngineSet& engines, const std::vector<size_t>& stores,
                              const std::string& question, const SearchOptions& options,
                              const std::string& reader);
    void answer_now(EngineSet& engines, const Question& question, const CancelToken& cancel,
                    Channel<AnswerEvent>& channel);

    friend class Answering;
    const ServiceOptions options_;
    std::vector<NamedStore> stores_;
    std::vector<NamedReader> readers_;
    Metrics metrics_;
    int64_t started_ = 0;
    std::unique_ptr<ScanJobs> scans_;
    std::unique_ptr<WorkQueue> searches_, answers_;
};

}  // namespace s3attn::server
