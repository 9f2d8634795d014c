#include "cmd_eval.h"

namespace s3attn::cli {

void add_eval_command(Context& context) {
    CLI::App* eval = add_command(
        context, "eval", "Measure retrieval and answers against baselines",
        "Example: s3attn eval retrieval --data dev.jsonl --out runs/dev --methods bm25,hybrid");
    eval->require_subcommand(1);
    add_eval_retrieval(context, *eval);
    add_eval_answers(context, *eval);
    add_eval_score(context, *eval);
    add_eval_report(context, *eval);
}

}  // namespace s3attn::cli
