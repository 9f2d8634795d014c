// Run records as one HTML page: self-contained, no script, nothing loaded from anywhere. Texts of
// the records (questions, answers, evidence, paths) are data and come out escaped.
#pragma once

#include <string>
#include <vector>

#include "eval/run_record.h"
#include "s3attn/result.h"

namespace s3attn::eval {

struct ReportRun {
    std::vector<std::string> directories;  // several: runs over disjoint tasks, read as one
    Json document;                         // run.json
};

// Reads DIR/run.json. kNotFound where there is none, saying whether the run is unfinished; kCorrupt
// where it is no run record of a known version.
Result<ReportRun> read_run(const std::string& directory);

// Puts runs of answers together that differ in their tasks alone (same models, methods, budgets,
// data), with figures over all their tasks; the others stay as they are.
std::vector<ReportRun> join_runs(std::vector<ReportRun> runs);

struct ReportOptions {
    size_t questions = 100;  // most per run in the drill-down; 0: all
};
std::string html_report(const std::vector<ReportRun>& runs, const ReportOptions& options);
// The tables alone, for a document.
std::string markdown_report(const std::vector<ReportRun>& runs);

}  // namespace s3attn::eval
