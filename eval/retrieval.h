// `s3attn eval retrieval`: every method over every question, one run record.
#pragma once

#include <string>
#include <vector>

#include "eval/datasets.h"
#include "eval/methods.h"
#include "eval/run_record.h"

namespace s3attn::eval {

struct RetrievalOptions {
    DatasetOptions data;
    std::vector<std::string> methods{"bm25", "s3", "hybrid"};
    std::string baseline;  // empty: bm25 where it is among the methods, else the first
    std::vector<uint32_t> budgets{256, 512, 1024, 2048, 4096};
    std::string out;  // of the run record; empty: a folder of ./s3attn-eval named after the options
    std::string index;     // indexes are kept here for other runs; empty: OUT/index
    uint32_t threads = 0;  // questions worked on at a time; 0: one per core, as memory allows
    MethodContext context;
};

// Runs what is missing and returns the record, which is also at OUT/run.json; `out_directory` gets
// OUT. kCancelled keeps the finished rows; the same call goes on from them.
Result<Json> run_retrieval(const RetrievalOptions& options, ProgressSink& sink,
                           const CancelToken& cancel, std::string* out_directory = nullptr);

}  // namespace s3attn::eval
