// `s3attn eval report`: run records as one HTML page, or as Markdown tables.
#include <cstdio>

#include "base/files.h"
#include "cmd_eval.h"
#include "eval/report.h"

namespace s3attn::cli {
namespace {

struct ReportArguments {
    std::vector<std::string> directories;
    std::string out = "report.html";
    bool markdown = false;
    eval::ReportOptions options;
};

int run_report(const ReportArguments& arguments) {
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
    command->callback(
        [arguments, &context] { context.run = [arguments] { return run_report(*arguments); }; });
}

}  // namespace s3attn::cli
