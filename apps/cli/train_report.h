// What `s3attn train` prints.
#pragma once

#include <string>

#include "s3attn/trainer.h"

namespace s3attn::cli {

// `out` is where the adapter lies.
void print_report(const TrainReport& report, const std::string& out);
void print_report(const ContextHeadReport& report, const std::string& out);
// `out` is empty where no adapter was written.
void print_report(const SweepReport& report, const std::string& out);

}  // namespace s3attn::cli
