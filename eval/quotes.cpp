#include "eval/quotes.h"

#include <algorithm>
#include <fstream>
#include <map>

#include "answer/answerable.h"
#include "base/timing.h"
#include "engine/question_codes.h"
#include "engine/quote_search.h"
#include "engine/searcher.h"
#include "eval/answer_prompt.h"
#include "eval/index_files.h"
#include "eval/index_lock.h"
#include "eval/scan_model.h"
#include "retrieve/evidence.h"
#include "retrieve/select.h"
#include "train/bootstrap.h"

namespace s3attn::eval {
namespace {

// One collection's store, and where its units stand.
struct QuoteStore {
    std::unique_ptr<StoreReader> reader;
    std::vector<UnitPlace> places;
    std::map<DocumentId, size_t> documents;
};

bool touches(const Gold& gold, size_t document, uint64_t begin, uint64_t end) {
    return gold.document == document && gold.begin < end && begin < gold.end;
}

class QuoteRun {
  public:
    QuoteRun(const QuoteOptions& options, ProgressSink& sink, const CancelToken& cancel)
        : options_(options), sink_(sink), cancel_(cancel), model_(options.context.engine) {}

    Result<Json> run() {
        S3ATTN_TRY(data_, load_dataset(options_.data));
        S3ATTN_TRY(adapter_, model_.adapter());
        S3ATTN_TRY(scanner_, model_.shared_scanner());
        std::ofstream rows;
        if (!options_.rows.empty()) rows.open(options_.rows);
        if (!options_.rows.empty() && !rows) {
            return make_error(ErrorCode::kIo, "cannot write " + options_.rows);
        }
        uint64_t done = 0;
        for (const EvalQuestion& question : data_.questions) {
            if (cancel_.cancelled()) return make_error(ErrorCode::kCancelled, "interrupted");
            sink_.update({"quote", "", done++, data_.questions.size(), "questions", 0});
            if (question.gold.empty() && options_.from == QuoteOptions::From::kGold) continue;
            S3ATTN_TRY(const QuoteStore* store, store_of(question.collection));
            S3ATTN_TRY(const Json row, make_row(question, *store));
            if (rows.is_open()) rows << dump_json(row) << '\n';
            rows_.push_back(row);
        }
        return summary();
    }

  private:
    Result<const QuoteStore*> store_of(size_t number) {
        if (const auto found = stores_.find(number); found != stores_.end()) return &found->second;
        const Collection& collection = data_.collections[number];
        const std::string directory = index_directory(options_.index, collection);
        const std::string index = directory + "/codes-" + adapter_->key_side_hash.substr(0, 12) +
                                  "-" + std::to_string(model_.chunk_tokens());
        {
            S3ATTN_TRY(const IndexLock lock, IndexLock::take(directory, cancel_));
            S3ATTN_TRY([[maybe_unused]] const IndexCost cost,
                       build_code_store(model_, *adapter_, collection, directory, index,
                                        options_.context.memory_mib, sink_, cancel_));
        }
        if (stores_.size() > 8) stores_.clear();  // of many small collections few stay open
        QuoteStore& store = stores_[number];
        S3ATTN_TRY(store.reader, StoreReader::open(index, nullptr));
        S3ATTN_TRY(store.places, store.reader->places());
        S3ATTN_TRY(const auto documents, store.reader->documents());
        for (const auto& each : documents)
            store.documents[each.doc_id] = document_number(each.path);
        return &store;
    }

    Filter filter_of(const EvalQuestion& question, const QuoteStore& store) const {
        if (options_.from == QuoteOptions::From::kSearch) return {};
        std::vector<UnitNumber> allowed;
        for (size_t u = 0; u < store.places.size(); ++u) {
            const UnitPlace& place = store.places[u];
            const size_t document = store.documents.at(place.doc_id);
            const bool gold =
                std::any_of(question.gold.begin(), question.gold.end(), [&](const Gold& each) {
                    return touches(each, document, place.byte_begin, place.byte_end);
                });
            if (gold == (options_.from == QuoteOptions::From::kGold)) {
                allowed.push_back(static_cast<UnitNumber>(u));
            }
        }
        return Filter(std::move(allowed));
    }

    // SQuAD marks the answer's own bytes; elsewhere a whole paragraph is marked and the answer's
    // words must be in the text.
    bool holds(const EvalQuestion& question, size_t document, uint64_t begin, uint64_t end,
               std::string_view text) const {
        const bool exact = data_.format.starts_with("squad");
        for (const Gold& gold : question.gold) {
            if (!touches(gold, document, begin, end)) continue;
            if (exact ? begin <= gold.begin && gold.end <= end
                      : contains_answer(text, question.answers)) {
                return true;
            }
        }
        return false;
    }

    Result<Json> make_row(const EvalQuestion& question, const QuoteStore& store) {
        Searcher searcher{*scanner_, *adapter_, *store.reader, 0, nullptr};
        searcher.filter = filter_of(question, store);
        S3ATTN_TRY(const Ranking ranking,
                   searcher.rank(question.question, options_.context.search));
        S3ATTN_TRY(const Evidence evidence,
                   assess_evidence(*store.reader, ranking.cosine(), question.question,
                                   adapter_->evidence_floor));
        SelectOptions select;
        select.budget_tokens = options_.budget;
        select.count_tokens = [this](std::string_view text) {
            return scanner_->tokenizer().count(text);
        };
        SearchResult result;
        result.question = question.question;
        Selection selected;
        if (auto chosen = select_spans(*store.reader, ranking.units, select); chosen.ok()) {
            selected = std::move(*chosen);
        }
        result.spans = std::move(selected.spans);
        S3ATTN_TRY(const Tokens tokens, question_tokens(scanner_->tokenizer(), question.question));
        const Stopwatch watch;
        S3ATTN_TRY(const QuoteCandidates candidates,
                   quote_candidates({scanner_->tokenizer(), *adapter_, *store.reader, tokens,
                                     ranking, selected.units, Filter()},
                                    result));
        const Quote quote = make_quote(result.spans, candidates.sentences,
                                       quote_chances(candidates.features, candidates.attention));
        result.evidence_found = evidence.found;
        result.evidence_score = evidence.score;
        result.evidence_floor = evidence.floor;
        result.quote = quote;
        Json row{{"id", question.id},
                 {"group", question.group},
                 {"ms", watch.milliseconds()},
                 {"evidence_score", evidence.score},
                 {"coverage", evidence.lexical_coverage},
                 {"found", evidence.found},
                 {"quote", quote.text},
                 {"score", quote.score},
                 {"sentences", quote.sentences},
                 {"bytes", quote.text.size()},
                 {"answerable", answerable(result)},
                 {"judged_by", answerable_features(result)},
                 {"holds", false}};
        if (quote.found) {
            row["holds"] = holds(question, document_of(store, result.spans[quote.span_index]),
                                 quote.byte_begin, quote.byte_end, quote.text);
        }
        if (options_.features) add_features(question, store, result, candidates, row);
        return row;
    }

    size_t document_of(const QuoteStore& store, const Span& span) const {
        return store.documents.at(span.doc_id);
    }

    void add_features(const EvalQuestion& question, const QuoteStore& store,
                      const SearchResult& result, const QuoteCandidates& candidates,
                      Json& row) const {
        row["names"] = kQuoteFeatureNames;
        row["features"] = Json::array();
        row["right"] = Json::array();
        for (size_t i = 0; i < candidates.sentences.size(); ++i) {
            const EvidenceSentence& sentence = candidates.sentences[i];
            const Span& span = result.spans[sentence.span];
            row["features"].push_back(candidates.features[i]);
            row["right"].push_back(holds(
                question, document_of(store, span), span.byte_begin + sentence.begin,
                span.byte_begin + sentence.end,
                std::string_view(span.text).substr(sentence.begin, sentence.end - sentence.begin)));
        }
    }

    Json interval(const std::vector<double>& values) const {
        const Interval found = bootstrap_mean(values, options_.data.seed);
        return {
            {"n", values.size()}, {"mean", found.mean}, {"low", found.low}, {"high", found.high}};
    }

    Json summary() const {
        std::map<std::string, std::vector<double>> groups;
        std::vector<double> all, times;
        double sentences = 0, bytes = 0;
        for (const Json& row : rows_) {
            all.push_back(row["holds"].get<bool>() ? 1 : 0);
            groups[row["group"].get<std::string>()].push_back(all.back());
            times.push_back(row["ms"].get<double>());
            sentences += row["sentences"].get<double>();
            bytes += row["bytes"].get<double>();
        }
        std::sort(times.begin(), times.end());
        const auto n = static_cast<double>(std::max<size_t>(rows_.size(), 1));
        Json json{{"data", options_.data.path},
                  {"questions", rows_.size()},
                  {"holds", interval(all)},
                  {"by_group", Json::object()},
                  {"sentences", sentences / n},
                  {"bytes", bytes / n},
                  {"ms_median", times.empty() ? 0.0 : times[times.size() / 2]},
                  {"ms_p95", times.empty() ? 0.0 : times[times.size() * 95 / 100]}};
        for (const auto& [group, values] : groups) {
            if (groups.size() > 1) json["by_group"][group] = interval(values);
        }
        return json;
    }

    const QuoteOptions& options_;
    ProgressSink& sink_;
    const CancelToken& cancel_;
    ScanModel model_;
    Dataset data_;
    std::shared_ptr<const Adapter> adapter_;
    Scanner* scanner_ = nullptr;
    std::map<size_t, QuoteStore> stores_;
    std::vector<Json> rows_;
};

}  // namespace

Result<Json> run_quotes(const QuoteOptions& options, ProgressSink& sink,
                        const CancelToken& cancel) {
    return QuoteRun(options, sink, cancel).run();
}

}  // namespace s3attn::eval
