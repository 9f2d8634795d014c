// `s3attn eval report`: run records as one HTML page, or as Markdown tables.
#include <cstdio>

#include "base/files.h"
#include "cmd_eval.h"
#include "eval/report.h"
#include "idle_options.h"

namespace s3attn::cli {
namespace {

struct ReportArguments {
    std::vector<std::string> directories;
    std::string out = "report.html";
    bool markdown = false;
    eval::ReportOptions options;
    const CLI::App* command = nullptr;  // says which options were given
};

int run_report(const ReportArguments& arguments, bool quiet) {
    IdleOptions idle(*arguments.command);
    idle.when(arguments.markdown, "does nothing with --markdown, which writes no page",
              {"--out", "--questions"});
    idle.print(quiet);
    std::vector<eval::ReportRun> runs;
    for (const std::string& directory : arguments.directories) {
        auto run = eval::read_run(directory);
        if (!run.ok()) return fail(run.error());
        runs.push_back(std::move(run).value());
    }
    runs = eval::join_runs(std::move(runs));
    if (arguments.markdown) {
        std::fputs(eval::markdown_report(runs).c_str(), stdout);
        return 0;
    }
    const std::string page = eval::html_report(runs, arguments.options);
    const Status written = write_file_atomic(arguments.out, page);
    if (!written.ok()) return fail(written.error());
    std::printf("%s: %zu runs, %zu bytes\n", arguments.out.c_str(), runs.size(), page.size());
    return 0;
}

}  // namespace

void add_eval_report(Context& context, CLI::App& eval) {
    auto arguments = std::make_shared<ReportArguments>();
    CLI::App* command = add_command(
        context, eval, "report", "Runs as one self-contained HTML page",
        "Tables with intervals, plots, and every question with its evidence. Runs of answers that\n"
        "differ in their tasks alone are read as one.\n\n"
        "Example: s3attn eval report runs/hotpot runs/musique --out report.html");
    command->add_option("runs", arguments->directories, "directories that `eval ... --out` made")
        ->required()
        ->type_name("DIR");
    command->add_option("--out", arguments->out, "the page")
        ->capture_default_str()
        ->type_name("FILE");
    command
        ->add_option("--questions", arguments->options.questions,
                     "most questions of a run that are shown one by one (0: all)")
        ->capture_default_str();
    command->add_flag("--markdown", arguments->markdown,
                      "print the tables as Markdown, and write no page");
    arguments->command = command;
    command->callback([arguments, &context] {
        context.run = [arguments, &context] {
            return run_report(*arguments, context.options.quiet);
        };
    });
}

}  // namespace s3attn::cli
