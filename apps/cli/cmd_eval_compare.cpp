// `s3attn eval compare`: two runs, or two files of predictions, question by question.
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>

#include "cmd_eval.h"
#include "eval/compare_runs.h"
#include "eval_tables.h"
#include "idle_options.h"

namespace s3attn::cli {
namespace {

int run_compare(const eval::CompareOptions& arguments, const CLI::App& command,
                const GlobalOptions& options) {
    std::error_code ignored;
    const bool runs = std::filesystem::is_directory(arguments.a, ignored);
    IdleOptions idle(command);
    idle.when(runs, "does nothing: runs know their tasks", {"--task"});
    idle.when(!runs, "does nothing: files of predictions have no methods",
              {"--method-a", "--method-b"});
    idle.print(options.quiet);
    const auto compared = eval::compare_runs(arguments);
    if (!compared.ok()) return fail(compared.error());
    if (options.json) {
        std::printf("%s\n", eval::dump_json(*compared, 1).c_str());
    } else {
        print_comparison(*compared);
    }
    return 0;
}

}  // namespace

void add_eval_compare(Context& context, CLI::App& eval) {
    auto arguments = std::make_shared<eval::CompareOptions>();
    CLI::App* command = add_command(
        context, eval, "compare", "Differences of two runs, question by question, with intervals",
        "Runs of other adapters, models or options over the same questions (directories that\n"
        "`eval retrieval` or `eval answers` made), or files of predictions, as `eval score` reads\n"
        "them. Only questions that both have count; the difference is B - A.\n\n"
        "Example: s3attn eval compare runs/before runs/after --metric ev1024\n"
        "         s3attn eval compare base/hotpotqa.jsonl new/hotpotqa.jsonl");
    command->add_option("a", arguments->a, "the run or file that the other is compared with")
        ->required()
        ->type_name("RUN_A");
    command->add_option("b", arguments->b, "the other")->required()->type_name("RUN_B");
    command
        ->add_option("--metric", arguments->metrics,
                     "only these figures (ev1024, mrr, score, ...; default: all)")
        ->delimiter(',')
        ->type_name("NAME,...");
    command
        ->add_option("--method-a", arguments->method_a,
                     "this method of A (default: every method that both have)")
        ->type_name("METHOD");
    command->add_option("--method-b", arguments->method_b, "this method of B (default: that of A)")
        ->type_name("METHOD");
    command
        ->add_option("--task", arguments->task,
                     "the task of files of predictions (default: each file's name)")
        ->type_name("NAME");
    command->add_option("--seed", arguments->seed, "of the intervals")->capture_default_str();
    command->callback([arguments, command, &context] {
        context.run = [arguments, command, &context] {
            return run_compare(*arguments, *command, context.options);
        };
    });
}

}  // namespace s3attn::cli
