// The tasks of `s3attn eval`, each in a file of its own.
#pragma once

#include <string>

#include "commands.h"
#include "eval/datasets.h"

namespace s3attn::cli {

void add_eval_retrieval(Context& context, CLI::App& eval);
void add_eval_answers(Context& context, CLI::App& eval);
void add_eval_compare(Context& context, CLI::App& eval);
void add_eval_quotes(Context& context, CLI::App& eval);
void add_eval_report(Context& context, CLI::App& eval);
void add_eval_score(Context& context, CLI::App& eval);

// What several tasks have. --format: how the questions are written; --haystack: what each searches.
void add_format_option(CLI::App& command, eval::DatasetOptions& data, const std::string& of_what);
CLI::Option* add_haystack_option(CLI::App& command, eval::DatasetOptions& data,
                                 const std::string& description);

}  // namespace s3attn::cli
