#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "cmd_eval.h"
#include "eval/retrieval.h"
#include "eval_tables.h"
#include "idle_options.h"
#include "progress_bar.h"

namespace s3attn::cli {
namespace {

struct RetrievalArguments {
    eval::RetrievalOptions options;
    std::string methods = "bm25,s3,hybrid";
    const CLI::App* command = nullptr;  // says which options were given
};

void note_idle(const RetrievalArguments& arguments, bool quiet) {
    const eval::RetrievalOptions& options = arguments.options;
    IdleOptions idle(*arguments.command);
    idle.note_ranking(options.methods, options.context.search.rounds);
    idle.when(!eval::any_uses(options.methods, {"context"}),
              "does nothing: no method is context(METHOD)",
              {"--rerank", "--rerank-model", "--rerank-adapter"});
    idle.print(quiet);
}

int run(RetrievalArguments arguments, const GlobalOptions& options, const CancelToken& cancel) {
    eval::RetrievalOptions& run = arguments.options;
    run.methods = eval::split_methods(arguments.methods);
    run.threads = options.engine.threads;
    run.context.engine = options.engine;
    run.context.seed = run.data.seed;
    if (run.context.embedder.empty()) {
        run.context.embedder = options.engine.cache_dir + "/all-MiniLM-L6-v2.F16.gguf";
    }
    if (const Status named = need_model(options.engine); !named.ok()) return fail(named.error());
    ConsoleProgress progress(options.quiet);
    std::string out;
    auto record = eval::run_retrieval(run, progress, cancel, &out);
    progress.finish();
    if (!record.ok()) {
        if (record.error().code == ErrorCode::kCancelled && !out.empty()) {
            std::fprintf(stderr, "note: the same command goes on from what is in %s\n",
                         out.c_str());
        }
        return fail(record.error());
    }
    note_idle(arguments, options.quiet);
    if (options.json) {
        record->erase("rows");
        std::printf("%s\n", eval::dump_json(*record, 1).c_str());
        return 0;
    }
    print_retrieval_tables(*record);
    std::printf("\nThe whole record: %s/run.json\n", out.c_str());
    return 0;
}

void add_data_options(CLI::App& command, RetrievalArguments& arguments) {
    eval::DatasetOptions& data = arguments.options.data;
    command
        .add_option("--data", data.path,
                    "questions with marked evidence (JSON or JSON Lines), or a BEIR folder")
        ->required()
        ->type_name("PATH");
    command
        .add_option("--qrels", data.qrels,
                    "judgements of a BEIR folder's documents, in its own columns or TREC's "
                    "(default: qrels/test.tsv there)")
        ->type_name("FILE");
    add_format_option(command, data, "of --data");
    add_haystack_option(command, data,
                        "pooled: every distinct paragraph of the file, shuffled, as one document "
                        "(the default for files of paragraphs); own: each question searches its "
                        "own documents");
    command.add_option("--extra", data.extra, "mix the paragraphs of these files in as well")
        ->type_name("FILE...");
    command.add_option("--limit", data.limit, "only the first so many questions (0: all)")
        ->capture_default_str();
    command.add_option("--seed", data.seed, "of the shuffle, the intervals and what is random")
        ->capture_default_str();
}

}  // namespace

void add_eval_retrieval(Context& context, CLI::App& eval) {
    auto arguments = std::make_shared<RetrievalArguments>();
    eval::RetrievalOptions& options = arguments->options;
    CLI::App* command = add_command(
        context, eval, "retrieval", "What each method finds within a budget of tokens",
        "Evidence counts as found when the retrieved bytes cover it. Budgets are counted in the\n"
        "tokens of --reader (without one, of --model). A run that was stopped goes on when the\n"
        "same command is given again.\n\n"
        "Methods: bm25, dense, s3, hybrid, int4 (exact attention, 4-bit keys), random-codes,\n"
        "layer0, layer0:HEAD, lead, tail, random, rrf(A,B,...), sum(A:WEIGHT,B:WEIGHT,...), "
        "context(A):\n"
        "the first units of A read again in context (context:N(A): so many).\n\n"
        "Example: s3attn eval retrieval --data dev.jsonl --methods \"bm25,hybrid,rrf(bm25,s3)\"\n"
        "A text of your own, one line per question:\n"
        "  {\"document\": \"...\", \"question\": \"...\", \"evidence\": [[120, 180]]}");
    arguments->command = command;
    add_data_options(*command, *arguments);
    command->add_option("--methods", arguments->methods, "to compare, separated by commas")
        ->type_name("LIST")
        ->capture_default_str();
    command
        ->add_option("--baseline", options.baseline,
                     "what the others are compared with (default: bm25, or the first method)")
        ->type_name("METHOD");
    command->add_option("--budgets", options.budgets, "tokens of evidence")
        ->delimiter(',')
        ->check(CLI::Range(1u, 1u << 20))
        ->type_name("N,...")
        ->capture_default_str();
    command
        ->add_option("--out", options.out,
                     "folder of the run record (default: one below s3attn-eval/, named after the "
                     "options)")
        ->type_name("DIR");
    command
        ->add_option("--index", options.index,
                     "folder of indexes, kept for other runs (default: OUT/index)")
        ->type_name("DIR");
    command
        ->add_option("--embedder", options.context.embedder,
                     "GGUF of the dense method (default: MiniLM, from scripts/setup.sh "
                     "--embedder)")
        ->type_name("FILE");
    command
        ->add_option("--memory", options.context.memory_mib,
                     "MiB that an index builder, and each question worked on, may take")
        ->check(CLI::Range(16u, 1u << 20))
        ->type_name("MIB")
        ->capture_default_str();
    command
        ->add_option("--rerank", options.context.rerank, "units that context(METHOD) reads again")
        ->check(CLI::Range(1u, 1000u))
        ->type_name("N")
        ->capture_default_str();
    command
        ->add_option("--rerank-model", options.context.rerank_model,
                     "GGUF that reads them (default: --reader, else the scanning model)")
        ->envname("S3ATTN_RERANK_MODEL")
        ->type_name("FILE");
    command
        ->add_option("--rerank-adapter", options.context.rerank_adapter,
                     "its adapter (default: the shipped one that fits it)")
        ->type_name("DIR");
    add_ranking_options(*command, options.context.search);
    command->callback([arguments, &context] {
        context.run = [arguments, &context] {
            return run(*arguments, context.options, context.cancel);
        };
    });
}

}  // namespace s3attn::cli
