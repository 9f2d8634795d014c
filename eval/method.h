// The interface of everything that finds evidence: a method makes its index of a collection of
// documents, then ranks the collection's units for a question.
//
// All methods rank the same units (those of the collection's UnitStore), and the same function
// turns every ranking into evidence (UnitStore::select), so that nothing but the order differs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "retrieve/mix.h"
#include "retrieve/select.h"
#include "s3attn/progress.h"
#include "s3attn/result.h"
#include "s3attn/types.h"
#include "store/store.h"

namespace s3attn::eval {

// Documents that are searched together, as UTF-8 text. Two questions about the same documents share
// a collection, and so an index.
struct Collection {
    std::string id;  // hash of the documents: names the folder of its indexes
    std::vector<std::string> documents;
    // What the data set calls them (a BEIR corpus does); empty: they have numbers alone.
    std::vector<std::string> names = {};
};
// Sets `id`.
Collection make_collection(std::vector<std::string> documents);

// Counts in the reader's tokens: what every budget is counted in.
using CountTokens = std::function<Result<uint32_t>(std::string_view)>;

// A collection's units, with their text and word index, and no model's codes. Not thread-safe: one
// per thread, opened from the same directory.
class UnitStore {
  public:
    // Makes the store below `directory` unless it is there already, cut into the units that
    // `s3attn index` would make. `count_positions` is the scanning model's tokenizer.
    static Status build(const Collection& collection, const std::string& directory,
                        const CountTokens& count_positions);
    static Result<std::unique_ptr<UnitStore>> open(const std::string& directory);

    const StoreReader& reader() const { return *reader_; }
    size_t size() const { return reader_->live_units().size(); }
    Result<UnitRow> unit(UnitNumber unit) const {
        return reader_->unit(reader_->live_units()[unit].unit_id);
    }
    // Number in Collection::documents.
    size_t document_of(DocumentId doc_id) const;
    // Whole units by rank until the budget is full (retrieve/select.h): what `s3attn search` does.
    // No unit fits: no spans.
    Result<Selection> select(const UnitList& ranked, uint32_t budget_tokens, uint32_t max_spans,
                             const CountTokens& count) const;

  private:
    std::unique_ptr<StoreReader> reader_;
    std::map<DocumentId, size_t> documents_;
};

// Seconds of each stage.
struct StageSeconds {
    double load = 0;                 // model files into memory
    double scan = 0;                 // the model reads the documents (or embeds their units)
    double encode = 0;               // keys to codes
    double index_write = 0;          // everything else that makes the index
    double retrieve = 0;             // question to ranking and evidence, summed over questions
    double prefill = 0, decode = 0;  // the reader, summed over questions
};
struct IndexCost {
    uint64_t bytes = 0;   // of the index on disk, the documents' own text excluded
    uint64_t tokens = 0;  // of the documents, as the scanning model counts them
    double seconds = 0;   // to make it; model loading excluded
    StageSeconds stages;
    uint64_t peak_rss_bytes = 0;  // while it was made
    void add(const IndexCost& other);
};

// Ranks units for questions. One per thread.
class Ranker {
  public:
    virtual ~Ranker() = default;
    // Best first, by the units' numbers in the collection's UnitStore; units that the method says
    // nothing about may be absent.
    virtual Result<UnitList> rank(const std::string& question) = 0;
    // Whether `ask` would say that the documents hold no evidence for the question, which was
    // ranked last; nothing where the method cannot tell.
    virtual Result<std::optional<bool>> withheld(const std::string& question) {
        (void)question;
        return std::optional<bool>();
    }
};

class Method {
  public:
    virtual ~Method() = default;
    virtual const std::string& name() const = 0;  // as it was asked for: "rrf(bm25,dense)"
    virtual std::string label() const = 0;        // for people
    // Makes the index of a collection below `directory`, or takes the finished one found there;
    // what it cost when it was made is kept beside it. `units` is the collection's UnitStore
    // directory.
    virtual Result<IndexCost> prepare(const Collection& collection, const std::string& units,
                                      const std::string& directory, ProgressSink& sink,
                                      const CancelToken& cancel) = 0;
    // Of the collection prepared under these directories. Thread-safe.
    virtual Result<std::unique_ptr<Ranker>> open(const std::string& units,
                                                 const std::string& directory) = 0;
    virtual double load_seconds() const { return 0; }  // of the models loaded so far
};

}  // namespace s3attn::eval
