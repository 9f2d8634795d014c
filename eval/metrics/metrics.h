// LongBench's metrics for its sixteen English tasks, written anew from their definitions, and equal
// to LongBench's own figures to the printed digits (tests/eval).
//
// A row's score is the best over its reference answers, 0 to 1; a task's score is 100 times the
// mean over its rows, printed with two digits. Few-shot tasks (trec, triviaqa, samsum) are judged
// by the first line of the answer, leading newlines skipped: the model goes on inventing examples.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "s3attn/result.h"

namespace s3attn::eval {

enum class Metric {
    kQaF1,            // word F1 after lower case, without punctuation and articles
    kRougeL,          // rouge_l.h
    kClassification,  // the right class named, divided by the classes named
    kRetrieval,       // share of the numbers in the answer that are the right paragraph
    kCount,           // share of the numbers in the answer that are the right count
    kCodeSimilarity,  // edit similarity of the first line of code, in whole percent
};
const char* to_string(Metric metric);

// The metric of a LongBench task ("narrativeqa", ..., also "hotpotqa_e" of LongBench-E); nothing
// for other names. The Chinese tasks are not among them: they need a word segmenter.
std::optional<Metric> longbench_metric(std::string_view task);
const std::vector<std::string>& longbench_tasks();  // the sixteen, in the order of the paper

double qa_f1(std::string_view prediction, std::string_view reference);
double classification(std::string_view prediction, std::string_view reference,
                      const std::vector<std::string>& classes);
double retrieval(std::string_view prediction, std::string_view reference);
double count(std::string_view prediction, std::string_view reference);
double code_similarity(std::string_view prediction, std::string_view reference);

// The score of one answer: what the task's first-line rule leaves of it against each reference.
// `task` must have a metric.
double longbench_score(std::string_view task, std::string_view answer,
                       const std::vector<std::string>& references,
                       const std::vector<std::string>& classes);
// The same by a metric, without a first-line rule.
double metric_score(Metric metric, std::string_view answer,
                    const std::vector<std::string>& references,
                    const std::vector<std::string>& classes);

// What keeps every answer to these references from being right, so that its score would say
// nothing; empty: nothing does.
std::string reference_fault(Metric metric, const std::vector<std::string>& references,
                            const std::vector<std::string>& classes);

// What of an answer is scored: for few-shot tasks its first line.
std::string scored_part(std::string_view task, std::string_view answer);

// 100 * mean with two digits, as LongBench prints it: Python's round(), exact and to even.
std::string longbench_percent(double sum, size_t n);

// Lower case, no ASCII punctuation, no "a", "an", "the", single spaces.
std::vector<std::u32string> normalized_words(std::string_view text);

// The same, and every sign of a script that is written without spaces (Chinese, Japanese, Thai ...)
// a word of its own: for questions that LongBench's English metrics are not about.
std::vector<std::u32string> cut_words(std::string_view text);
// F1 of these words; equal to qa_f1() where words are divided by spaces.
double cut_f1(std::string_view prediction, std::string_view reference);

}  // namespace s3attn::eval
