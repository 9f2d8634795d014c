// What search, ask and chat show a person: results to standard output, notes to standard error.
#pragma once

#include "s3attn/types.h"

namespace s3attn::cli {

// For --explain, to standard error: with which question token looked where.
void print_explain(const SearchResult& result);
void print_search(const SearchResult& result);

// The sentence that answers, in the documents' own words, and where it stands; or nothing.
void print_quote(const SearchResult& result);
// Where and why the answer ends early, and what in it the evidence does not hold.
void note_cut(const AskResult& result);
void print_citations(const AskResult& result);

// What the second stage did and what it cost; why it did not run, where somebody may expect it.
void print_rerank(const RerankReport& rerank);
// What is shown is not the best that there is: the budget was too small for that.
void note_passed_over(const SearchResult& result);
void print_notes(const SearchResult& result);

}  // namespace s3attn::cli
