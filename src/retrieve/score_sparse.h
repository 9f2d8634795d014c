// The innermost loops of scoring with few features per lane.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "retrieve/block_plan.h"
#include "retrieve/score_lanes.h"
#include "store/segment.h"

namespace s3attn {

// Scores the runs of one block. Lane by lane: the products of its features' postings are added to
// one 16-bit sum per token of the block, which stays in the first-level cache, and the runs' maxima
// go to row(run)[lane]. Postings that a lane does not want are not touched. Exact integers: the
// same numbers as the dense kernel's where the k of the store is at most kMaxHeadroom.
class SparseBlockScorer {
  public:
    // `block` holds the lists of sparse.wanted, in that order. rows[r]: where run r's lanes go.
    void score(const BlockView& block, const SparseLanes& sparse, std::span<const UnitRun> runs,
               std::span<int16_t* const> rows);

  private:
    std::vector<int16_t> sum_;  // [token], all 0 between lanes
};

}  // namespace s3attn
