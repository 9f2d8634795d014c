// From rows of answers to figures with intervals. Used at the end of a run, and again by the report
// for runs over disjoint tasks that are to be read as one.
#pragma once

#include <string>
#include <vector>

#include "eval/run_record.h"

namespace s3attn::eval {

// Name of the group over all tasks: the mean of the tasks' means, as LongBench averages.
inline constexpr const char* kAllTasks = "all tasks";

// A budget as the records have it: null where there is none (< 0).
Json budget_json(int64_t budget);

struct AnswerSummary {
    Json summary = Json::array();  // run.json's "summary"
    Json paired = Json::array();   // run.json's "paired", against `baseline`, question by question
    Json counts = Json::array();   // per method and budget: rows, truncated, withheld
};

// Rows as run.json has them. Groups: each row's "group", with its "bucket" where there is one
// ("hotpotqa_e 0-4k"), and over all tasks. Intervals resample questions within each task.
// `paired` also has the ratio of the means with its interval.
AnswerSummary summarize_answers(const std::vector<Json>& rows, const std::string& baseline,
                                uint64_t seed);

}  // namespace s3attn::eval
