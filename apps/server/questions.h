// Questions to the stores: evidence, and answers from it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/timing.h"
#include "channel.h"
#include "inline_store.h"
#include "metrics.h"
#include "outcome.h"
#include "s3attn/engine.h"
#include "stores.h"
#include "work_queue.h"

namespace s3attn::server {

struct NamedReader {
    std::string name, file;  // no file: the scanning model
};

// Evidence of one or several stores; span i is of stores[i].
struct Found {
    SearchResult result;
    std::vector<size_t> stores;  // indices into Stores; none where `inline_store` is set
    // The evidence is of documents that came with the request; the path of a span is the title of
    // its document.
    std::shared_ptr<const InlineStore> inline_store;
    double milliseconds = 0;
    // With SearchOptions::attention: all units of each store that was searched. The rest of it is
    // in `result`.
    std::vector<std::pair<size_t, std::vector<UnitAttention>>> units;
};

struct Question {
    std::string text;
    std::vector<ChatTurn> history;
    std::vector<size_t> stores;  // to search
    InlineDocuments documents;   // where there are some, they are searched instead
    std::string owner;           // of these documents
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

struct QueuedJob {
    WorkQueue* queue = nullptr;
    std::shared_ptr<WorkQueue::Job> job;
};

// A question under way. Destroying it stops the answer.
class Answering {
  public:
    // `search`: none where the answer's job looks for the evidence itself.
    Answering(QueuedJob search, QueuedJob answer, std::shared_ptr<Channel<AnswerEvent>> channel)
        : search_(std::move(search)), answer_(std::move(answer)), channel_(std::move(channel)) {}
    ~Answering();
    Answering(const Answering&) = delete;
    Answering& operator=(const Answering&) = delete;
    // Nothing when no event came in time.
    std::optional<AnswerEvent> next(std::chrono::milliseconds time);
    bool ended() const { return ended_; }
    // No more pieces are wanted; done (with what there is), or a failure, still comes.
    void stop() { answer_.job->cancel.cancel(); }

  private:
    QueuedJob search_, answer_;
    std::shared_ptr<Channel<AnswerEvent>> channel_;
    bool ended_ = false, done_ = false;
};

class Questions {
  public:
    // `readers`: GGUF files; none: the scanning model answers. `answers`: at a time; `waiting`:
    // jobs that wait, searches and answers each.
    Questions(const Stores& stores, const EngineOptions& engine,
              const std::vector<std::string>& readers, size_t answers, size_t waiting,
              Metrics& metrics);

    const std::vector<NamedReader>& readers() const { return readers_; }
    const std::string& scanning_model() const { return scanning_model_; }
    // Fails where one is no file.
    Status check_readers() const;
    // By name; empty: the first. 404 model_not_found.
    Outcome<size_t> choose_reader(const std::string& name) const;
    // The window that a reader has where the model allows it, in tokens.
    uint32_t reader_window() const { return window_; }
    // The second stage of a request that does not ask for another.
    const RerankOptions& rerank() const { return rerank_; }

    // Budgets count in tokens of the scanning model here, of the reader in ask(). Looks at
    // `keep_going` now and then; false ends it.
    Outcome<Found> search(const std::vector<size_t>& stores, const std::string& question,
                          const SearchOptions& options, const std::function<bool()>& keep_going);
    Outcome<std::shared_ptr<Answering>> ask(const Question& question);
    // The share of the question's attention that each document gets when there are no others; a
    // blank one gets none. The shares add up to 1.
    Outcome<std::vector<double>> rerank(const std::string& question,
                                        const InlineDocuments& documents,
                                        const std::function<bool()>& keep_going);

    void update_gauges();
    // Running answers may end for `grace_ms`.
    void stop(int grace_ms);

  private:
    Outcome<Found> search_now(EngineSet& engines, const std::vector<size_t>& stores,
                              const std::string& question, SearchOptions options,
                              const CancelToken& cancel);
    Outcome<Found> search_documents(EngineSet& engines, const Question& question,
                                    const CancelToken& cancel);
    // Waits for what a job sends.
    template <class Value>
    static Outcome<Value> wait_for(WorkQueue& queue, const std::shared_ptr<WorkQueue::Job>& job,
                                   Channel<Outcome<Value>>& channel,
                                   const std::function<bool()>& keep_going);
    using EvidenceChannel = Channel<std::shared_ptr<const Found>>;
    static std::shared_ptr<const Found> tell(Outcome<Found> outcome, Channel<AnswerEvent>& channel,
                                             EvidenceChannel* evidence);
    AnswerEvent write_answer(EngineSet& engines, const Question& question,
                             const std::shared_ptr<const Found>& found, const CancelToken& cancel,
                             Channel<AnswerEvent>& channel, const Stopwatch& watch);

    const Stores& stores_;
    std::vector<NamedReader> readers_;
    const std::string scanning_model_;
    const uint32_t window_;
    const RerankOptions rerank_;
    Metrics& metrics_;
    InlineStores inline_stores_;
    WorkQueue searches_, answers_, reranks_;
};

}  // namespace s3attn::server
