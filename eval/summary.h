// From rows to means with intervals, plain and paired: the "summary" and "paired" of run.json.
#pragma once

#include <string>
#include <vector>

#include "eval/run_record.h"

namespace s3attn::eval {

// Per group ("all" first, then the rows' own groups), method and metric, over the rows that have
// the metric. The order of methods is the given one, that of metrics the rows'.
Json summarise(const std::vector<Json>& rows, const std::vector<std::string>& methods,
               uint64_t seed);
// Each method against the baseline, over the questions that both have.
Json compare(const std::vector<Json>& rows, const std::vector<std::string>& methods,
             const std::string& baseline, uint64_t seed);

// The number in "ev1024", or null.
Json budget_of(const std::string& metric);

}  // namespace s3attn::eval
