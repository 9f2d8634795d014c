// Two runs, or two files of predictions, question by question.
#pragma once

#include <string>
#include <vector>

#include "eval/run_record.h"
#include "s3attn/result.h"

namespace s3attn::eval {

struct CompareOptions {
    std::string a, b;  // directories of runs of the same task, or files of predictions
    std::string task;  // of files of predictions; empty: each file's name
    // Of the runs; empty: every method that both have. Naming two compares one with the other.
    std::string method_a, method_b;
    std::vector<std::string> metrics;  // only these; empty: all
    uint64_t seed = 0;                 // of the bootstrap
};

// {"a", "b": what each is made of; "options_that_differ"; "questions": of both, of one alone;
// "notes"; "differences": group, method, budget, metric, a, b, difference (b - a), low, high, n}.
// Means and differences are over the questions that both have. kMismatch: an id that asks something
// else in the other run, no question or no method in common, runs of different tasks.
Result<Json> compare_runs(const CompareOptions& options);

}  // namespace s3attn::eval
