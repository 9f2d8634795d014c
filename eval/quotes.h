// `s3attn eval quotes`: does the quoted sentence hold the answer?
#pragma once

#include <string>

#include "eval/datasets.h"
#include "eval/json_text.h"
#include "eval/methods.h"
#include "s3attn/progress.h"

namespace s3attn::eval {

struct QuoteOptions {
    DatasetOptions data;
    std::string index;  // folder of indexes, kept for other runs
    std::string rows;   // JSON Lines: one for each question; empty: none are written
    enum class From {
        kSearch,  // everything that is found
        kGold,    // the units that hold the evidence, alone
        kAbsent,  // what is found when these units are taken out
    } from = From::kSearch;
    uint32_t budget = 1024;  // tokens of evidence, as the scanning model counts them
    bool features = false;   // rows have what the choice was made from, to fit its weights
    MethodContext context;
};

// {"questions", "holds": {"mean", "low", "high"}, "by_group", "sentences", "bytes", "ms"}
Result<Json> run_quotes(const QuoteOptions& options, ProgressSink& sink, const CancelToken& cancel);

}  // namespace s3attn::eval
