// The tasks of `s3attn eval`, each in a file of its own.
#pragma once

#include "commands.h"

namespace s3attn::cli {

void add_eval_retrieval(Context& context, CLI::App& eval);
void add_eval_answers(Context& context, CLI::App& eval);
void add_eval_report(Context& context, CLI::App& eval);
void add_eval_score(Context& context, CLI::App& eval);

}  // namespace s3attn::cli
