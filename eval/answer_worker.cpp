#include "eval/answer_worker.h"

#include <algorithm>
#include <cmath>

#include "base/timing.h"
#include "eval/answer_summary.h"
#include "eval/metrics/suites.h"

namespace s3attn::eval {
namespace {

constexpr uint32_t kScoredTokens = 64;   // of the gold answer, for its NLL
constexpr uint32_t kShownTokens = 1024;  // of the evidence, in a row
constexpr double kRightF1 = 0.5;

double divergence(const std::vector<float>& from, const std::vector<float>& to) {
    double sum = 0;
    for (size_t i = 0; i < from.size(); ++i) {
        const double p = std::exp(static_cast<double>(from[i]));
        if (p > 0) sum += p * (static_cast<double>(from[i]) - static_cast<double>(to[i]));
    }
    return std::max(sum, 0.0);
}

// A right answer in more words than the gold one; "yes" and "no" stand in too many sentences.
bool names_answer(const std::string& answer, std::vector<std::string> gold) {
    std::erase_if(gold, [](const std::string& each) {
        const auto words = normalized_words(each);
        return words.size() == 1 && (words[0] == U"yes" || words[0] == U"no");
    });
    return contains_answer(answer, gold);
}

bool overlaps(const Gold& gold, const Passage& passage) {
    return gold.document == passage.document && gold.begin < passage.end &&
           passage.begin < gold.end;
}

}  // namespace

Result<AnswerMethod> make_answer_method(const std::string& spec, MethodContext& context) {
    using Kind = AnswerMethod::Kind;
    if (spec == "full") return AnswerMethod{Kind::kFull, spec, "full context", nullptr};
    if (spec == "none") return AnswerMethod{Kind::kNone, spec, "no context", nullptr};
    if (spec == "gold") return AnswerMethod{Kind::kGold, spec, "gold evidence", nullptr};
    std::string inner = spec;
    const bool reranked =
        spec == "dense-rerank" || (spec.starts_with("rerank(") && spec.ends_with(")"));
    if (reranked) inner = spec == "dense-rerank" ? "dense" : spec.substr(7, spec.size() - 8);
    S3ATTN_TRY(std::unique_ptr<Method> method, make_method(inner, context));
    std::string label = method->label();
    if (reranked) label += ", re-ranked by the reader's likelihood of the question";
    return AnswerMethod{reranked ? Kind::kReranked : Kind::kRanked, spec, std::move(label),
                        std::move(method)};
}

Status AnswerWorker::answer(const AnswerQuestion& question, const std::vector<AnswerJob>& jobs,
                            const OnRow& on_row) {
    units_.reset();
    full_next_.clear();
    ranked_method_ = SIZE_MAX;
    const Collection& collection = set_.collections[question.collection];
    const auto full = std::find_if(methods_.begin(), methods_.end(), [](const AnswerMethod& m) {
        return m.kind == AnswerMethod::Kind::kFull;
    });
    if (options_.likelihood && full != methods_.end() && !jobs.empty() &&
        methods_[jobs.front().method].kind != AnswerMethod::Kind::kFull) {
        // Its row is there from an earlier run; the distribution is not.
        S3ATTN_TRY(const Evidence all,
                   evidence(question, {static_cast<size_t>(full - methods_.begin()), -1}));
        S3ATTN_TRY(const FittedPrompt prompt, prompt_of(question, all.passages));
        S3ATTN_TRY(full_next_, reader_->next_token(prompt.prompt));
    }
    for (const AnswerJob& job : jobs) {
        if (methods_[job.method].method != nullptr && units_ == nullptr) {
            S3ATTN_TRY(units_,
                       UnitStore::open(units_directory(options_.index_directory, collection)));
        }
        S3ATTN_TRY(Json done, row(question, job));
        S3ATTN_CHECK(on_row(std::move(done)));
    }
    return {};
}

Status AnswerWorker::rank(const AnswerQuestion& question, const AnswerMethod& method) {
    const Collection& collection = set_.collections[question.collection];
    S3ATTN_TRY(const std::unique_ptr<Ranker> ranker,
               method.method->open(units_directory(options_.index_directory, collection),
                                   index_directory(options_.index_directory, collection)));
    const Stopwatch watch;
    S3ATTN_TRY(ranked_, ranker->rank(question.question));
    if (method.kind == AnswerMethod::Kind::kReranked) S3ATTN_CHECK(rerank(question, ranked_));
    rank_seconds_ = watch.seconds();
    S3ATTN_TRY(const std::optional<bool> withheld, ranker->withheld(question.question));
    withheld_ = options_.may_withhold && withheld.value_or(false);
    return {};
}

// Query likelihood: the better a passage explains the question, the further up it goes.
Status AnswerWorker::rerank(const AnswerQuestion& question, UnitList& ranked) {
    const size_t n = std::min<size_t>(options_.rerank, ranked.size());
    for (size_t i = 0; i < n; ++i) {
        S3ATTN_TRY(const UnitRow unit, units_->unit(ranked[i].unit));
        S3ATTN_TRY(
            const Likelihood likelihood,
            reader_->likelihood({unit.text + "\n\nQuestion:", false}, " " + question.question, 0));
        ranked[i].score = likelihood.log_likelihood / std::max(likelihood.tokens, 1u);
    }
    const auto better = [](const RankedUnit& a, const RankedUnit& b) { return a.score > b.score; };
    std::stable_sort(ranked.begin(), ranked.begin() + static_cast<ptrdiff_t>(n), better);
    return {};
}

// Code that is to be continued stands in every prompt and counts towards the budget, of which it
// takes at most half.
uint64_t AnswerWorker::tail_of(const AnswerQuestion& question, int64_t budget,
                               uint32_t& tokens) const {
    const std::string& text = set_.collections[question.collection].documents.back();
    tokens = 0;
    uint64_t begin = std::min<uint64_t>(question.tail_begin, text.size());
    while (begin < text.size()) {
        const auto count = reader_->tokenizer().count(std::string_view(text).substr(begin));
        if (!count.ok()) return text.size();
        tokens = *count;
        if (budget < 0 || tokens <= budget / 2) return begin;
        const uint64_t fewer =
            begin + last_lines(std::string_view(text).substr(begin), (text.size() - begin) / 2);
        if (fewer <= begin) break;
        begin = fewer;
    }
    tokens = 0;
    return text.size();
}

Status AnswerWorker::drop_tail(const AnswerQuestion& question, uint64_t tail_begin,
                               UnitList& ranked) const {
    if (tail_begin >= set_.collections[question.collection].documents.back().size()) return {};
    UnitList kept;
    for (const RankedUnit& unit : ranked) {
        S3ATTN_TRY(const UnitRow row, units_->unit(unit.unit));
        if (row.byte_end <= tail_begin) kept.push_back(unit);
    }
    ranked = std::move(kept);
    return {};
}

Result<AnswerWorker::Evidence> AnswerWorker::evidence(const AnswerQuestion& question,
                                                      const AnswerJob& job) {
    const AnswerMethod& method = methods_[job.method];
    const Collection& collection = set_.collections[question.collection];
    Evidence out;
    if (method.kind == AnswerMethod::Kind::kFull) {
        for (size_t i = 0; i < collection.documents.size(); ++i) {
            out.passages.push_back({i, 0, collection.documents[i].size()});
        }
        return out;
    }
    if (method.kind == AnswerMethod::Kind::kGold) {
        for (const Gold& gold : question.gold) {
            out.passages.push_back({gold.document, gold.begin, gold.end});
        }
        return out;
    }
    uint32_t tail_tokens = 0;
    const uint64_t tail = tail_of(question, job.budget, tail_tokens);
    if (method.has_budget()) {
        if (ranked_method_ != job.method) {
            S3ATTN_CHECK(rank(question, method));
            ranked_method_ = job.method;
        }
        const Stopwatch watch;
        UnitList ranked = ranked_;
        S3ATTN_CHECK(drop_tail(question, tail, ranked));
        const auto count = [this](std::string_view text) {
            return reader_->tokenizer().count(text);
        };
        S3ATTN_TRY(
            Selection selected,
            units_->select(ranked, static_cast<uint32_t>(job.budget) - tail_tokens, 0, count));
        for (const UnitNumber unit : selected.units) {
            const auto at = std::find_if(ranked.begin(), ranked.end(),
                                         [&](const RankedUnit& each) { return each.unit == unit; });
            out.ranks.push_back(static_cast<size_t>(at - ranked.begin()) + 1);
        }
        out.spans = std::move(selected.spans);
        out.seconds = rank_seconds_ + watch.seconds();
        out.withheld = withheld_;
        for (const Span& span : out.spans) {
            out.passages.push_back(
                {units_->document_of(span.doc_id), span.byte_begin, span.byte_end});
            out.tokens += span.tokens;
        }
    }
    if (tail_tokens > 0) {
        const size_t last = collection.documents.size() - 1;
        out.passages.push_back({last, tail, collection.documents[last].size()});
        out.tokens += tail_tokens;
    }
    return out;
}

Result<FittedPrompt> AnswerWorker::prompt_of(const AnswerQuestion& question,
                                             const std::vector<Passage>& passages) const {
    const AnswerTask& task = set_.tasks[question.task];
    const uint32_t window = reader_->info().window_tokens;
    if (task.max_tokens + 16 > window) {
        return make_error(ErrorCode::kInvalidArgument,
                          task.name + " answers take " + std::to_string(task.max_tokens) +
                              " tokens: use a larger --reader-context than " +
                              std::to_string(window));
    }
    return fit_prompt(
        question.prefix + fill_template(task.prompt_template,
                                        passages_text(set_.collections[question.collection],
                                                      passages, task.line_spans),
                                        question.input),
        task.chat, window - task.max_tokens, reader_->tokenizer(),
        [this](const ReaderPrompt& prompt) { return reader_->count_prompt(prompt); });
}

Status AnswerWorker::measure_likelihood(const AnswerQuestion& question, const AnswerJob& job,
                                        const ReaderPrompt& prompt, Json& metrics) {
    const bool full = methods_[job.method].kind == AnswerMethod::Kind::kFull;
    if (full || !full_next_.empty()) {
        S3ATTN_TRY(std::vector<float> next, reader_->next_token(prompt));
        if (full) {
            full_next_ = std::move(next);
        } else {
            metrics["kl"] = divergence(full_next_, next);
        }
    }
    std::string answer = question.answers.front();
    const bool spaced =
        prompt.text.empty() || std::isspace(static_cast<unsigned char>(prompt.text.back())) != 0;
    if (!prompt.chat && !spaced) answer.insert(0, " ");
    S3ATTN_TRY(const Likelihood gold, reader_->likelihood(prompt, answer, kScoredTokens));
    if (gold.tokens > 0) metrics["nll"] = -gold.log_likelihood / gold.tokens;
    return {};
}

Status AnswerWorker::read(const AnswerQuestion& question, const AnswerJob& job,
                          const Evidence& evidence, Json& row) {
    const AnswerTask& task = set_.tasks[question.task];
    S3ATTN_TRY(const FittedPrompt prompt, prompt_of(question, evidence.passages));
    row["prompt_tokens"] = prompt.tokens;
    row["truncated"] = prompt.truncated;
    if (prompt.truncated) row["whole_tokens"] = prompt.whole_tokens;
    ReaderAnswer answer;
    if (!evidence.withheld) {
        S3ATTN_TRY(answer, reader_->answer(prompt.prompt, {task.max_tokens, task.one_line}));
    }
    row["answer"] = answer.text;
    row["answer_tokens"] = answer.answer_tokens;
    const bool withheld = evidence.withheld || declines(answer.text);
    row["withheld"] = withheld;
    row["seconds"] = {{"retrieve", evidence.seconds},
                      {"prefill", answer.prefill_seconds},
                      {"decode", answer.decode_seconds}};

    Json metrics;
    double f1 = metric_score(Metric::kQaF1, answer.text, question.answers, {});
    if (!task.longbench) {
        for (const std::string& each : question.answers)
            f1 = std::max(f1, cut_f1(answer.text, each));
    }
    metrics["score"] =
        task.longbench ? longbench_score(task.name, answer.text, question.answers, question.classes)
                       : f1;
    if (!task.suite.empty()) {
        Json scored = question.reference;
        scored["pred"] = answer.text;
        const auto scorer = suite_scorer(task.suite);
        if (!scorer) return make_error(ErrorCode::kInternal, "no metric for " + task.suite);
        S3ATTN_TRY(metrics["score"], (*scorer)(scored));
    }
    metrics["f1"] = f1;
    metrics["in_context"] = contains_answer(prompt.prompt.text, question.answers) ? 1 : 0;
    if (!task.longbench && task.suite.empty()) {
        const bool right = f1 >= kRightF1 || names_answer(answer.text, question.answers);
        metrics["right"] = right ? 1 : 0;
        metrics["withheld"] = withheld && !right ? 1 : 0;
        metrics["invented"] = !withheld && !right ? 1 : 0;
    }
    if (options_.likelihood && !evidence.withheld) {
        S3ATTN_CHECK(measure_likelihood(question, job, prompt.prompt, metrics));
    }
    row["metrics"] = std::move(metrics);
    return {};
}

void AnswerWorker::add_evidence(const AnswerQuestion& question, const Evidence& evidence,
                                Json& row) const {
    const Collection& collection = set_.collections[question.collection];
    row["gold"] = Json::array();
    for (const Gold& gold : question.gold) {
        row["gold"].push_back({{"document", gold.document},
                               {"begin", gold.begin},
                               {"end", gold.end},
                               {"text", collection.documents[gold.document].substr(
                                            gold.begin, gold.end - gold.begin)}});
    }
    row["evidence"] = Json::array();
    uint32_t shown = 0;
    for (size_t i = 0; i < evidence.spans.size() && shown < kShownTokens; ++i) {
        const Span& span = evidence.spans[i];
        const Passage passage{units_->document_of(span.doc_id), span.byte_begin, span.byte_end};
        const bool gold = std::any_of(question.gold.begin(), question.gold.end(),
                                      [&](const Gold& g) { return overlaps(g, passage); });
        row["evidence"].push_back({{"rank", evidence.ranks[i]},
                                   {"document", passage.document},
                                   {"begin", passage.begin},
                                   {"end", passage.end},
                                   {"text", span.text},
                                   {"score", span.score},
                                   {"gold", gold}});
        shown += span.tokens;
    }
}

Result<Json> AnswerWorker::row(const AnswerQuestion& question, const AnswerJob& job) {
    if (options_.measure_memory) {
        reader_->release();  // of the method before
        reset_peak_memory();
    }
    const AnswerMethod& method = methods_[job.method];
    Json row{
        {"id", question.id}, {"task", set_.tasks[question.task].name}, {"group", question.group}};
    if (!question.bucket.empty()) row["bucket"] = question.bucket;
    row["question"] = question.question;
    row["answers"] = question.answers;
    row["method"] = method.name;
    row["budget"] = budget_json(job.budget);
    S3ATTN_TRY(const Evidence found, evidence(question, job));
    if (method.has_budget()) row["evidence_tokens"] = found.tokens;
    if (question.gold_missing > 0) row["gold_missing"] = question.gold_missing;
    S3ATTN_CHECK(read(question, job, found, row));
    add_evidence(question, found, row);
    if (options_.measure_memory) row["peak_rss_bytes"] = peak_memory_bytes();
    return row;
}

}  // namespace s3attn::eval
