// The tables of `s3attn eval`, from a run record.
#pragma once

#include "eval/run_record.h"

namespace s3attn::cli {

void print_retrieval_tables(const eval::Json& record);

}  // namespace s3attn::cli
