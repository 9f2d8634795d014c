// What `eval answers` asks: LongBench's tasks with their official templates and answer lengths, or
// the questions of any data set that `eval retrieval` reads, under one template.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eval/datasets.h"
#include "eval/metrics/metrics.h"
#include "eval/run_record.h"
#include "s3attn/result.h"

namespace s3attn::eval {

struct AnswerTask {
    std::string name;
    std::string prompt_template;  // with {context} and {input}
    uint32_t max_tokens = 32;     // of the answer
    bool chat = true;             // LongBench asks few-shot and code tasks without a chat template
    bool one_line = false;        // samsum: the answer ends with its first line
    bool line_spans = false;      // examples and code: spans are joined by a newline, not by two
    bool longbench = false;
    std::string suite;  // task of metrics/suites.h ("ruler/vt"), whose metric scores it
    Metric metric = Metric::kQaF1;
};

struct AnswerQuestion {
    std::string id;
    std::string group;     // the task, or the data set's own group
    std::string bucket;    // LongBench-E: "0-4k", "4-8k" or "8k+"
    size_t task = 0;       // index into AnswerSet::tasks
    std::string input;     // goes into the template
    std::string question;  // what is searched for
    size_t collection = 0;
    // The context from this byte on belongs to the question (code to be completed) and stays in
    // every prompt; the context's size where there is nothing of the kind.
    uint64_t tail_begin = 0;
    std::vector<std::string> answers, classes;
    std::string prefix;  // of the prompt, in front of the template
    Json reference;      // of a suite's task: the row that its metric reads, but for the answer
    std::vector<Gold> gold;
    size_t gold_missing = 0;
};

struct AnswerSet {
    std::string path, hash;
    std::vector<AnswerTask> tasks;
    std::vector<Collection> collections;
    std::vector<AnswerQuestion> questions;
    std::vector<std::string> notes;  // what a reader of the figures should know about the data
    bool pooled = false;             // each question searches the documents of all
    bool chars = false;              // offsets of plain records counted characters
};

// Reads `task`.jsonl from `directory` or its "data", "mini" or parent's like-named folder, and
// dataset2prompt.json and dataset2maxlen.json from there, its parent or its "config". Names of
// LongBench-E end in "_e". Added to `set`; kNotFound says where it was looked for.
Status add_longbench_task(const std::string& directory, const std::string& task, AnswerSet& set);

// The questions of a file that load_dataset() reads, for F1. With `may_withhold` the template asks
// for "unanswerable" where the passages hold no answer, in the words of LongBench's qasper.
Status add_dataset_task(const DatasetOptions& options, uint32_t max_tokens, bool may_withhold,
                        AnswerSet& set);

// A task of RULER, BABILong or InfiniteBench from its published records: the file `path`, or, of a
// folder, TASK.jsonl or TASK/validation.jsonl there. kCorrupt names the line.
Status add_suite_task(const std::string& path, const std::string& task, AnswerSet& set);

// Keeps `limit` questions of each task: the first ones with seed 0, else drawn with the seed.
void keep_some(AnswerSet& set, size_t limit, uint64_t seed);

// Where the last whole lines of `text` begin that take at most `bytes` bytes; at least one line,
// cut to `bytes` if it is longer.
size_t last_lines(std::string_view text, size_t bytes);

}  // namespace s3attn::eval
