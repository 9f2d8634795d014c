// Answers that any program has written to a file, scored by the metric of their task.
#pragma once

#include <string>
#include <vector>

#include "eval/metrics/suites.h"
#include "s3attn/result.h"

namespace s3attn::eval {

struct ScoredAnswer {
    std::string id;         // "_id", "id" or "index" of the row; else the number of its line
    std::string bucket;     // LongBench-E: "0-4k", "4-8k" or "8k+"; else empty
    double score = 0;       // 0 to 1
    bool reachable = true;  // by this metric the right answer itself scores more than 0
};

// The scorer of a task: LongBench's ("hotpotqa", "trec_e"), and those of suites.h ("ruler/vt").
// kInvalidArgument for another name, saying which there are.
Result<RowScorer> task_scorer(const std::string& task);

// The rows of `path` (JSON Lines, or a JSON array) in their order. kCorrupt names the line: what no
// answer could be right about, ids that are there twice, no rows at all.
Result<std::vector<ScoredAnswer>> score_predictions(const std::string& path,
                                                    const std::string& task);

}  // namespace s3attn::eval
