// Voices: what ranks a store's units for a question, each by its own light. Everything behind them
// (mix.h, select.h) knows lists of unit numbers and scores, and the voices' names, no more.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "s3attn/progress.h"
#include "s3attn/result.h"
#include "store/store.h"

namespace s3attn {

// A unit by its place in StoreReader::live_units(): 0 .. n-1 of one snapshot.
using UnitNumber = uint32_t;

struct RankedUnit {
    UnitNumber unit = 0;
    double score = 0;
};
// Best first, ties by number: the order of every list of units.
void sort_best_first(std::vector<RankedUnit>& units);
// The number of a unit; nothing where it is not live.
std::optional<UnitNumber> number_of(const StoreReader& store, UnitId unit_id);

// The units that may be found. All is scored as if the store held no others: attention's softmax
// runs over them, and how rare a word is, and how long a unit, is counted in them.
class Filter {
  public:
    Filter() = default;  // all
    // Ascending, no duplicates.
    explicit Filter(std::vector<UnitNumber> allowed) : all_(false), allowed_(std::move(allowed)) {}
    bool all() const { return all_; }
    // Not for all().
    const std::vector<UnitNumber>& allowed() const { return allowed_; }
    bool allows(UnitNumber unit) const;
    // For StoreReader::bm25(): null for all().
    const std::vector<UnitNumber>* places() const { return all_ ? nullptr : &allowed_; }

  private:
    bool all_ = true;
    std::vector<UnitNumber> allowed_;
};
// The units of the documents that `wanted` takes.
Result<Filter> filter_documents(const StoreReader& store,
                                const std::vector<DocumentInfo>& documents,
                                const std::function<bool(const DocumentInfo&)>& wanted);

struct VoiceRequest {
    const std::string& question;
    const StoreReader& store;
    const Filter& filter;
    uint32_t depth = 0;                   // units behind the first so many may be left out; 0: none
    const CancelToken* cancel = nullptr;  // kCancelled soon after it fires
};

// What a voice knows beyond its scores, for --explain and the picture of attention.
struct VoiceTrace {
    virtual ~VoiceTrace() = default;
};

struct VoiceScores {
    std::vector<RankedUnit> units;  // best first; a unit that is not there has no score
    // What the evidence floor is held against: the best unit's weighted mean cosine. Voices without
    // such a scale leave it empty.
    std::optional<double> cosine;
    uint64_t postings = 0, postings_read = 0;  // as in SearchResult
    std::map<std::string, double> timings_ms;
    std::shared_ptr<const VoiceTrace> trace;
};

// Several questions may be asked at once.
class Voice {
  public:
    virtual ~Voice() = default;
    virtual const std::string& name() const = 0;  // as --method and Span::scores name it
    virtual Result<VoiceScores> score(const VoiceRequest& request) const = 0;
};

inline Status check_cancelled(const CancelToken* cancel) {
    if (cancel == nullptr || !cancel->cancelled()) return {};
    return make_error(ErrorCode::kCancelled, "interrupted");
}

// Shared words: FTS5's BM25.
class WordVoice final : public Voice {
  public:
    const std::string& name() const override;
    Result<VoiceScores> score(const VoiceRequest& request) const override;
};

}  // namespace s3attn
