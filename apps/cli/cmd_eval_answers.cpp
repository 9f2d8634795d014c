// `s3attn eval answers`: LongBench's tasks, or questions of one's own, by every method.
#include <algorithm>
#include <cstdio>
#include <map>

#include "cmd_eval.h"
#include "eval/answers.h"
#include "eval/metrics/suites.h"
#include "eval/report.h"
#include "idle_options.h"
#include "progress_bar.h"
#include "remote/reader_url.h"

namespace s3attn::cli {
namespace {

struct AnswerArguments {
    eval::AnswerOptions options;
    std::vector<std::string> tasks;
    eval::DatasetOptions data;  // without --task
    std::string methods = "full,bm25,s3,hybrid,none";
    uint32_t max_answer = 64;
    const CLI::App* command = nullptr;  // says which options were given
};

void note_idle(const AnswerArguments& arguments, const eval::AnswerOptions& options, bool quiet) {
    IdleOptions idle(*arguments.command);
    idle.note_ranking(options.methods, options.context.search.rounds);
    idle.when(!eval::any_uses(options.methods, {"rerank", "dense-rerank"}),
              "does nothing: no method is dense-rerank or rerank(METHOD)", {"--rerank"});
    idle.when(!arguments.tasks.empty(), "does nothing with --task, whose records have their own",
              {"--format", "--offsets", "--haystack", "--max-answer"});
    const auto& methods = options.methods;
    const bool budget = std::any_of(methods.begin(), methods.end(), [](const std::string& each) {
        return each != "full" && each != "none" && each != "gold";
    });
    idle.when(!budget, "does nothing: no method chooses passages", {"--budgets", "--index"});
    idle.print(quiet);
}

Result<eval::AnswerSet> load(const AnswerArguments& arguments) {
    eval::AnswerSet set;
    std::vector<std::string> tasks = arguments.tasks;
    if (tasks.size() == 1 && tasks.front() == "all") tasks = eval::longbench_tasks();
    for (const std::string& task : tasks) {
        S3ATTN_CHECK(eval::suite_scorer(task) && !eval::longbench_metric(task)
                         ? eval::add_suite_task(arguments.data.path, task, set)
                         : eval::add_longbench_task(arguments.data.path, task, set));
    }
    if (tasks.empty()) {
        S3ATTN_CHECK(eval::add_dataset_task(arguments.data, arguments.max_answer,
                                            arguments.options.may_withhold, set));
    }
    eval::keep_some(set, arguments.options.limit, arguments.options.seed);
    return set;
}

int run(const AnswerArguments& arguments, const GlobalOptions& options, const CancelToken& cancel) {
    if (const Status named = need_model(options.engine); !named.ok()) return fail(named.error());
    eval::AnswerOptions own = arguments.options;
    own.methods = eval::split_methods(arguments.methods);
    own.context.engine = options.engine;
    if (const Status remote = prepare_remote(options, options.engine.reader, own.context.engine);
        !remote.ok()) {
        return fail(remote.error());
    }
    if (own.likelihood && is_reader_url(options.engine.reader)) {
        return fail(make_error(ErrorCode::kInvalidArgument,
                               "a reader behind a server has no weights here, so that nobody can "
                               "say how likely it finds a text: pass --no-likelihood, or a file"));
    }
    own.context.seed = own.seed;
    if (own.context.embedder.empty()) {
        own.context.embedder = options.engine.cache_dir + "/all-MiniLM-L6-v2.F16.gguf";
    }
    auto set = load(arguments);
    if (!set.ok()) return fail(set.error());
    note_idle(arguments, own, options.quiet);
    ConsoleProgress progress(options.quiet);
    auto report = eval::run_answers(own, *set, progress, cancel);
    progress.finish();
    if (!report.ok()) return fail(report.error());
    for (const std::string& note : report->notes) std::fprintf(stderr, "note: %s\n", note.c_str());
    if (options.json) {
        report->document.erase("rows");
        std::printf("%s\n", eval::dump_json(report->document, 1).c_str());
        return 0;
    }
    std::fputs(eval::markdown_report({{{report->directory}, report->document}}).c_str(), stdout);
    std::printf("The whole record: %s/run.json\n", report->directory.c_str());
    return 0;
}

void add_question_options(CLI::App& command, AnswerArguments& arguments) {
    eval::DatasetOptions& data = arguments.data;
    data.haystack = eval::Haystack::kOwn;
    command
        .add_option("--data", data.path,
                    "with --task: LongBench's folder (dataset2prompt.json, dataset2maxlen.json, "
                    "TASK.jsonl there or in data/ or mini/); without: a file of questions with "
                    "answers, as `eval retrieval` reads them")
        ->required()
        ->type_name("PATH");
    command
        .add_option(
            "--task", arguments.tasks,
            "LongBench's tasks by name (hotpotqa, trec, ...; with _e: LongBench-E), or all; "
            "ruler/vt, babilong/qa1, infinitebench/passkey, ...: --data is their file, or "
            "the folder of TASK.jsonl or TASK/validation.jsonl")
        ->delimiter(',')
        ->type_name("NAME...");
    add_format_option(command, data, "of a file of questions");
    add_haystack_option(command, data,
                        "of a file of questions: each searches its own documents (own), or all of "
                        "the file's (pooled)")
        ->default_str("own");
    command
        .add_option("--max-answer", arguments.max_answer,
                    "most tokens of an answer to a file of questions; LongBench has its own")
        ->check(CLI::Range(1u, 65536u))
        ->capture_default_str()
        ->type_name("TOKENS");
    command
        .add_option("--limit", arguments.options.limit, "only so many questions a task (0: all)")
        ->capture_default_str();
    command
        .add_option("--seed", arguments.options.seed,
                    "0: the first --limit questions; else they are drawn; also of the intervals")
        ->capture_default_str();
}

void add_method_options(CLI::App& command, AnswerArguments& arguments) {
    eval::AnswerOptions& options = arguments.options;
    options.budgets = {1024, 2048};
    command.add_option("--methods", arguments.methods, "to compare, separated by commas")
        ->type_name("LIST")
        ->capture_default_str();
    command
        .add_option("--budgets", options.budgets, "tokens of evidence, as the reader counts them")
        ->delimiter(',')
        ->check(CLI::Range(16u, 1u << 20))
        ->type_name("N,...")
        ->capture_default_str();
    command
        .add_option("--baseline", options.baseline,
                    "what the others are compared with (default: full, or the first method)")
        ->type_name("METHOD");
    command
        .add_option("--rerank", options.rerank,
                    "units that dense-rerank and rerank(METHOD) put in a new order")
        ->check(CLI::Range(1u, 1000u))
        ->capture_default_str();
    static const std::map<std::string, ChatTemplate> templates{{"auto", ChatTemplate::kAuto},
                                                               {"own", ChatTemplate::kOwn},
                                                               {"chatml", ChatTemplate::kChatMl},
                                                               {"plain", ChatTemplate::kPlain}};
    command
        .add_option_function<std::string>(
            "--chat-template",
            [&options](const std::string& name) { options.chat_template = templates.at(name); },
            "how the reader is asked: its own template, ChatML, plain text; auto: the first of "
            "these that it has")
        ->check(CLI::IsMember({"auto", "own", "chatml", "plain"}))
        ->default_str("auto")
        ->type_name("NAME");
    command.add_flag("!--no-likelihood", options.likelihood,
                     "leave out NLL of the gold answer and KL to full context");
    command.add_flag("--may-withhold", options.may_withhold,
                     "the prompt allows \"unanswerable\", and a method that finds no evidence "
                     "withholds the answer, as `ask` does (files of questions)");
    command
        .add_option("--parallel", options.parallel,
                    "questions at a time (0: as many as cores and memory allow); memory per "
                    "method is measured with 1 only")
        ->check(CLI::Range(0u, 256u))
        ->capture_default_str();
    command
        .add_option("--embedder", options.context.embedder,
                    "GGUF of the dense method (default: MiniLM, from scripts/setup.sh --embedder)")
        ->type_name("FILE");
    command
        .add_option("--memory", options.context.memory_mib, "MiB that an index builder may take")
        ->check(CLI::Range(16u, 1u << 20))
        ->type_name("MIB")
        ->capture_default_str();
}

}  // namespace

void add_eval_answers(Context& context, CLI::App& eval) {
    auto arguments = std::make_shared<AnswerArguments>();
    CLI::App* command = add_command(
        context, eval, "answers", "Answers by every method under one prompt and budget",
        "Methods: full (the whole context; what does not fit the window is cut from its middle),\n"
        "none, gold (the marked evidence), those of `eval retrieval`, dense-rerank and\n"
        "rerank(METHOD) (by the reader's likelihood of the question). Greedy decoding. A run that\n"
        "was stopped goes on when the same command is given again; several runs over different\n"
        "tasks are read as one by `eval report`.\n\n"
        "Example: s3attn eval answers --data LongBench --task hotpotqa,trec --methods full,hybrid\n"
        "         s3attn eval answers --data dev.jsonl --methods gold,hybrid,none --limit 20");
    arguments->command = command;
    add_question_options(*command, *arguments);
    add_method_options(*command, *arguments);
    command
        ->add_option("--out", arguments->options.out,
                     "folder of the run record (default: one below s3attn-eval/, named after the "
                     "options)")
        ->type_name("DIR");
    command
        ->add_option("--index", arguments->options.index_directory,
                     "folder of indexes, kept for other runs (default: OUT/index, removed at the "
                     "end)")
        ->type_name("DIR");
    add_ranking_options(*command, arguments->options.context.search);
    command->callback([arguments, &context] {
        context.run = [arguments, &context] {
            return run(*arguments, context.options, context.cancel);
        };
    });
}

}  // namespace s3attn::cli
