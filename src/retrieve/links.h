// Why a unit was found: which question token, through which head, attended to which of its tokens.
#pragma once

#include <cstdint>
#include <vector>

#include "adapter/codes.h"
#include "s3attn/result.h"
#include "store/store.h"

namespace s3attn {

// The unit's best token for one lane: the token of the maximum in score_attention()'s formula.
struct UnitLink {
    uint32_t head = 0, question_token = 0;
    uint32_t unit_token = 0;
    double cosine = 0;  // w_ij . z_t
    double mass = 0;    // alpha_j u_ij times the unit's share of the lane
};

// One link per lane, largest mass first. The masses add up to the unit's score, but for the
// rounding of score_lanes.h. `log_total` is S3Scores::log_total of this store and query.
Result<std::vector<UnitLink>> unit_links(const StoreReader& store, const QueryCodes& query,
                                         const std::vector<double>& log_total,
                                         const UnitExtent& unit);

}  // namespace s3attn
