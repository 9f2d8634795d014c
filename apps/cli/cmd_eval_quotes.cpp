// `s3attn eval quotes`: whether the quoted sentence holds the answer.
#include <cstdio>
#include <map>

#include "cmd_eval.h"
#include "eval/quotes.h"
#include "idle_options.h"
#include "progress_bar.h"

namespace s3attn::cli {
namespace {

int run_eval_quotes(const eval::QuoteOptions& options, const CLI::App& command,
                    const GlobalOptions& global, const CancelToken& cancel) {
    if (const Status named = need_model(global.engine); !named.ok()) return fail(named.error());
    eval::QuoteOptions own = options;
    own.context.engine = global.engine;
    ConsoleProgress progress(global.quiet);
    IdleOptions idle(command);
    idle.note_ranking({"s3"}, own.context.search.rounds);
    idle.when(own.rows.empty(), "does nothing without --rows", {"--features"});
    idle.print(global.quiet);
    const auto report = eval::run_quotes(own, progress, cancel);
    progress.finish();
    if (!report.ok()) return fail(report.error());
    std::printf("%s\n", eval::dump_json(*report, 1).c_str());
    return 0;
}

}  // namespace

void add_eval_quotes(Context& context, CLI::App& eval) {
    auto options = std::make_shared<eval::QuoteOptions>();
    CLI::App* command = add_command(
        context, eval, "quotes", "Whether the quoted sentence holds the answer",
        "The answer's own bytes must lie in the quote (SQuAD), or the quote be of a marked\n"
        "paragraph and have the answer's words in it. Prints JSON.\n\n"
        "Example: s3attn eval quotes --data xquad.en.json\n"
        "         s3attn eval quotes --data xquad.en.json --from gold");
    command->add_option("--data", options->data.path, "questions with marked evidence")
        ->required()
        ->type_name("FILE");
    add_format_option(*command, options->data, "of --data");
    add_haystack_option(*command, options->data,
                        "pooled: every distinct paragraph of the file as one document; own: each "
                        "question searches its own");
    command->add_option("--limit", options->data.limit, "only the first so many questions (0: all)")
        ->capture_default_str();
    command->add_option("--seed", options->data.seed, "of the shuffle and the intervals")
        ->capture_default_str();
    static const std::map<std::string, eval::QuoteOptions::From> kinds{
        {"search", eval::QuoteOptions::From::kSearch},
        {"gold", eval::QuoteOptions::From::kGold},
        {"absent", eval::QuoteOptions::From::kAbsent}};
    command
        ->add_option_function<std::string>(
            "--from", [options](const std::string& name) { options->from = kinds.at(name); },
            "what is quoted from: search (all that is found, default), gold (the passages that "
            "hold the evidence, alone), absent (what is found without them)")
        ->check(CLI::IsMember(kinds))
        ->type_name("KIND");
    command->add_option("--budget", options->budget, "tokens of evidence")
        ->check(CLI::Range(16u, 1u << 20))
        ->capture_default_str()
        ->type_name("TOKENS");
    command->add_option("--rows", options->rows, "write a JSON line for each question there")
        ->type_name("FILE");
    command->add_flag("--features", options->features,
                      "rows also have what the choice was made from (bench/fit_quotes.py)");
    command->add_option("--index", options->index, "folder of indexes, kept for other runs")
        ->default_val("s3attn-eval/index")
        ->type_name("DIR");
    add_ranking_options(*command, options->context.search);
    command->callback([options, command, &context] {
        context.run = [options, command, &context] {
            return run_eval_quotes(*options, *command, context.options, context.cancel);
        };
    });
}

}  // namespace s3attn::cli
