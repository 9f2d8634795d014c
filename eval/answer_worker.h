// Answers one question after another, by every method and at every budget. One per thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "eval/answer_prompt.h"
#include "eval/answer_tasks.h"
#include "eval/methods.h"
#include "eval/run_record.h"
#include "model/reader.h"

namespace s3attn::eval {

struct AnswerMethod {
    enum class Kind { kFull, kNone, kGold, kRanked, kReranked } kind = Kind::kRanked;
    std::string name, label;
    std::shared_ptr<Method> method;  // of the ranking; null without one
    bool has_budget() const { return kind == Kind::kRanked || kind == Kind::kReranked; }
};
// "dense-rerank", "rerank(SPEC)", "full", ...: everything `eval answers` knows.
Result<AnswerMethod> make_answer_method(const std::string& spec, MethodContext& context);

// One row that is wanted of a question.
struct AnswerJob {
    size_t method = 0;    // index into the methods
    int64_t budget = -1;  // -1: the method has none
};

struct WorkerOptions {
    uint32_t rerank = 20;
    bool likelihood = true, may_withhold = false;
    bool measure_memory = true;  // false: other threads work at the same time
    std::string index_directory;
};

class AnswerWorker {
  public:
    AnswerWorker(const AnswerSet& set, const std::vector<AnswerMethod>& methods,
                 const WorkerOptions& options, std::unique_ptr<LocalReader> reader)
        : set_(set), methods_(methods), options_(options), reader_(std::move(reader)) {}

    // `jobs` in the order of the methods. Each row is handed on as soon as it is there; an Error of
    // `on_row`, or one that says kCancelled, ends the question.
    using OnRow = std::function<Status(Json)>;
    Status answer(const AnswerQuestion& question, const std::vector<AnswerJob>& jobs,
                  const OnRow& on_row);

  private:
    struct Evidence {
        std::vector<Passage> passages;
        std::vector<Span> spans;    // best first; empty for full, none and gold
        std::vector<size_t> ranks;  // of the spans, in the method's ranking
        uint32_t tokens = 0;
        double seconds = 0;
        bool withheld = false;
    };
    Status rank(const AnswerQuestion& question, const AnswerMethod& method);
    Status drop_tail(const AnswerQuestion& question, uint64_t tail_begin, UnitList& ranked) const;
    Status rerank(const AnswerQuestion& question, UnitList& ranked);
    Result<Evidence> evidence(const AnswerQuestion& question, const AnswerJob& job);
    Result<FittedPrompt> prompt_of(const AnswerQuestion& question,
                                   const std::vector<Passage>& passages) const;
    Result<Json> row(const AnswerQuestion& question, const AnswerJob& job);
    Status read(const AnswerQuestion& question, const AnswerJob& job, const Evidence& evidence,
                Json& row);
    Status measure_likelihood(const AnswerQuestion& question, const AnswerJob& job,
                              const ReaderPrompt& prompt, Json& metrics);
    uint64_t tail_of(const AnswerQuestion& question, int64_t budget, uint32_t& tokens) const;
    void add_evidence(const AnswerQuestion& question, const Evidence& evidence, Json& row) const;

    const AnswerSet& set_;
    const std::vector<AnswerMethod>& methods_;
    WorkerOptions options_;
    std::unique_ptr<LocalReader> reader_;
    // Of the question that is being answered.
    std::unique_ptr<UnitStore> units_;
    std::vector<float> full_next_;  // log-probabilities behind the full context; empty: not made
    size_t ranked_method_ = SIZE_MAX;
    UnitList ranked_;
    double rank_seconds_ = 0;
    bool withheld_ = false;
};

}  // namespace s3attn::eval
