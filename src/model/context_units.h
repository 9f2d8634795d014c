// Passages and, behind them, a question in one context, and how the question's attention spreads
// over the passages. Shared by the second stage and by the training that chooses its heads.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "model/context_attention.h"
#include "s3attn/result.h"

namespace s3attn {

// Tokens of unit u: [unit_begin[u], unit_begin[u + 1]).
struct UnitContext {
    std::vector<int32_t> tokens;
    std::vector<uint32_t> unit_begin;  // one more than units
    uint32_t first_row = 0;            // the question's first token
    size_t units() const { return unit_begin.size() - 1; }
};

// The units in the order given, each followed by an empty line, then "Question: " and the question.
// Only the first units that fit the model's window are in it (of the very first one as much as
// fits); units() tells how many. kInvalidArgument when the question alone does not fit.
Result<UnitContext> lay_out_units(const ContextModel& model, const std::vector<std::string>& units,
                                  const std::string& question);

struct ContextHead {
    uint32_t layer = 0, query_head = 0;
    auto operator<=>(const ContextHead&) const = default;
};

// What one head's attention says of each unit, averaged over the question's tokens.
struct UnitAttentions {
    std::vector<double> raw;    // attention that falls on the unit
    std::vector<double> share;  // of what falls on any unit, the part that falls on this one
};
// From one head's attention_rows() over the context.
UnitAttentions spread_over_units(const UnitContext& context, const std::vector<float>& rows);

// Every head's, in the order of `heads`; one pass of the model. `threads` work on the heads of a
// layer. `on_rows`, if there is one, sees each head's rows as well (one call at a time, any order).
using OnHeadRows = std::function<void(size_t head, const std::vector<float>& rows)>;
Result<std::vector<UnitAttentions>> read_units(ContextModel& model, const UnitContext& context,
                                               const std::vector<ContextHead>& heads,
                                               uint32_t threads, const CancelToken* cancel,
                                               const OnHeadRows& on_rows = {});

}  // namespace s3attn
