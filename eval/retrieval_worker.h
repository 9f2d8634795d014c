// One method over all questions that have no row yet, on several threads.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eval/datasets.h"
#include "eval/method.h"
#include "eval/run_record.h"

namespace s3attn::eval {

// Questions to work on at a time: no more than cores, and than `memory_mib` fits into three
// quarters of the memory that is free now.
uint32_t workers_for(uint32_t wanted, uint32_t memory_mib);

struct MethodRun {
    Method& method;
    const Dataset& data;
    const std::string& index;
    const std::vector<uint32_t>& budgets;
    const CountTokens& count;
    uint32_t workers = 1;
};

// Adds the missing rows to the record; returns the method's entry of run.json's "methods".
Result<Json> run_method(const MethodRun& run, RunRecord& record, ProgressSink& sink,
                        const CancelToken& cancel);

}  // namespace s3attn::eval
