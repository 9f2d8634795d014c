// What a ranking is worth: every figure from the bytes that were retrieved and the bytes that are
// evidence.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "eval/datasets.h"
#include "eval/method.h"

namespace s3attn::eval {

inline constexpr uint32_t kRecallDepths[] = {1, 5, 10, 20};
inline constexpr uint32_t kMrrDepth = 100;  // evidence behind so many units counts as not found

// Bytes of one document.
struct ByteRange {
    size_t document = 0;
    uint64_t begin = 0, end = 0;
};

// Whether the ranges together hold every byte of the evidence. `text` is its document: white space
// in front of a range may be missing, because between two units there is nothing else.
bool covers(const Gold& gold, std::vector<ByteRange> ranges, std::string_view text);
// Share of the evidence that the ranges cover. `gold` is not empty.
double recall(const std::vector<Gold>& gold, const std::vector<ByteRange>& ranges,
              const Collection& collection);
// 1 / (number of units from the top that first cover a piece of evidence); 0 when none does.
double reciprocal_rank(const std::vector<Gold>& gold, const std::vector<ByteRange>& ranked,
                       const Collection& collection);

std::vector<ByteRange> ranges_of(const UnitStore& units, const std::vector<Span>& spans);

// The first units of a ranking whatever their length, identical text once: what R@n and MRR count,
// and what a rank is.
Result<Selection> first_units(const UnitStore& units, const UnitList& ranked,
                              const CountTokens& count);

// Ranks of the units in `first`, and behind those their place in the whole ranking.
class Ranks {
  public:
    Ranks(const Selection& first, const UnitList& ranked);
    size_t of(UnitNumber unit) const { return rank_.at(unit); }

  private:
    std::map<UnitNumber, size_t> rank_;
};

// r1 .. r20, mrr, of the units that first_units() gave; evN and allN for each budget N. Empty
// without evidence to find.
Result<std::map<std::string, double>> retrieval_metrics(
    const EvalQuestion& question, const Collection& collection, const UnitStore& units,
    const UnitList& ranked, const Selection& first, const std::vector<uint32_t>& budgets,
    const CountTokens& count);

}  // namespace s3attn::eval
