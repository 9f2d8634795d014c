#include "cmd_eval.h"

namespace s3attn::cli {

void add_eval_retrieval(Context& context, CLI::App& eval) {
    add_command(context, eval, "retrieval", "What each method finds within a budget of tokens", "");
}

}  // namespace s3attn::cli
