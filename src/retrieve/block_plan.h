// Which live units lie in which blocks of which segments: the walk that every scorer shares.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "adapter/codes.h"
#include "retrieve/voice.h"
#include "s3attn/result.h"
#include "store/store.h"

namespace s3attn {

// Block-local tokens [begin, end) that belong to unit `unit` (index into ScanPlan::units).
struct UnitRun {
    uint32_t unit = 0;
    uint32_t begin = 0, end = 0;
    bool whole = false;  // the unit lies in this block alone, so nobody else writes its scores
};

// A block with at least one token of the units.
struct BlockPlan {
    const Segment* segment = nullptr;
    uint32_t block = 0;         // within the segment
    size_t ordinal = 0;         // among the blocks of all segments
    std::vector<UnitRun> runs;  // ascending; only the first and the last can be not whole
};

struct ScanPlan {
    std::span<const UnitExtent> units;  // that are scored: the store's, or those of `allowed`
    std::vector<UnitExtent> allowed;
    std::vector<BlockPlan> blocks;  // ascending by position
    std::vector<uint64_t> covered;  // per unit: tokens that some segment holds
};

// kCorrupt when live units or segments overlap or are out of order, kMismatch when a segment's
// shape is not the store's.
// `filter` null: all live units.
Result<ScanPlan> plan_scan(const StoreReader& store, const Filter* filter = nullptr);

// Scores of the plan's units, by unit number of the store.
void spread_scores(const Filter* filter, size_t n_units, std::vector<double>& scores);

// Shapes and numbers of a question's codes against the store's. Scorers call it first.
Status check_query(const StoreReader& store, const QueryCodes& query);

// The first error of many parallel tasks, lowest task first, so that errors are deterministic too.
class ErrorBoard {
  public:
    explicit ErrorBoard(size_t tasks) : errors_(tasks) {}
    void set(size_t task, Error error) { errors_[task] = std::move(error); }
    Status status() const {
        for (const auto& error : errors_) {
            if (error) return *error;
        }
        return {};
    }

  private:
    std::vector<std::optional<Error>> errors_;
};

}  // namespace s3attn
