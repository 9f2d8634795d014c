// The tables of `s3attn eval`, from a run record.
#pragma once

#include "eval/run_record.h"

namespace s3attn::cli {

void print_retrieval_tables(const eval::Json& record);
// What compare_runs() found.
void print_comparison(const eval::Json& compared);

}  // namespace s3attn::cli
