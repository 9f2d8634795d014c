// The metrics of RULER, BABILong and InfiniteBench, written anew from their definitions; a test
// compares them with their own programs' rules row by row (tests/eval/suites_parity.py).
//
// Where the original's program would stop with an exception (an empty answer, a number that is
// none) the answer scores 0. Not copied: InfiniteBench's exception for GPT-4 in math_calc.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "eval/run_record.h"
#include "s3attn/result.h"

namespace s3attn::eval {

// How one row of a task is scored, 0 to 1: kCorrupt says what the row lacks.
using RowScorer = std::function<Result<double>(const Json& row)>;

// Of "niah_single_1", "vt", "cwe", "fwe", "qa_1" (RULER), "qa1" to "qa20" (BABILong), "passkey",
// ... (InfiniteBench); each also behind its suite's name ("ruler/vt"), InfiniteBench's as its
// programs call their files ("preds_passkey"). Nothing for other names.
//
// Rows hold the answer as "pred", "prediction" or (BABILong) "output"; the right ones as "outputs"
// (RULER), "target" with the "question" (BABILong), "ground_truth" or "label" (InfiniteBench).
std::optional<RowScorer> suite_scorer(std::string_view task);

// The three suites with their tasks, for messages.
std::string suite_names();

// RULER: the share of the references that stand in the answer; `any`: 1 when one does.
double ruler_match(std::string_view answer, const std::vector<std::string>& references, bool any);

// BABILong: whether the target is the only label of the task in the answer's first sentence, those
// that the question names left out.
bool babilong_right(std::string_view task, std::string_view answer, std::string_view target,
                    std::string_view question);
bool is_babilong_task(std::string_view task);
// Why no answer could be right about a target; empty where one can.
std::string babilong_fault(std::string_view task, std::string_view target);

// "rougeLsum" of the package rouge_score without stemming: longest common subsequences line by
// line, united over the lines of the other text.
double rouge_lsum(std::string_view prediction, std::string_view reference);

// InfiniteBench's score of one answer. `label` as its files have it (a text, a number, or a list).
Result<double> infinite_score(std::string_view task, std::string_view answer, const Json& label);
bool is_infinite_task(std::string_view task);

}  // namespace s3attn::eval
