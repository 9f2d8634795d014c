// The program `s3attn`: parses, calls the engine, prints. See docs/cli.md for every option.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "commands.h"
#include "config.h"
#include "options.h"
#include "s3attn/model_log.h"
#include "s3attn/ocr.h"
#include "usage.h"

namespace {

s3attn::CancelToken g_cancel;

void on_interrupt(int) {
    if (g_cancel.cancelled()) _exit(130);  // a second Ctrl-C does not wait
    g_cancel.cancel();
}

// libgomp's spinning threads starve each other as soon as another process is busy (decoding slows
// down a hundredfold). It reads these variables when it is loaded, so set them and start again.
void set_openmp_waiting(char** argv) {
    if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) {
        return;
    }
    setenv("OMP_WAIT_POLICY", "PASSIVE", 1);
    setenv("GOMP_SPINCOUNT", "2000", 1);
    execv("/proc/self/exe", argv);  // on failure: go on without, only slower under load
}

std::string default_config_file() {
    // The parser itself would look at the variable only after it has read the file.
    const char* named = std::getenv("S3ATTN_CONFIG");
    if (named != nullptr && *named != '\0') return named;
    if (const char* xdg = std::getenv("XDG_CONFIG_HOME"); xdg != nullptr && *xdg != '\0') {
        return std::string(xdg) + "/s3attn/config.toml";
    }
    const std::string home = s3attn::cli::home_dir();
    return home.empty() ? "" : home + "/.config/s3attn/config.toml";
}

// What is read twice, by an interrupted run and the next one, is not recognised twice.
s3attn::Status prepare_ocr(const s3attn::cli::GlobalOptions& options) {
    s3attn::OcrSettings ocr;
    ocr.on = options.ocr != "off";
    ocr.pictures = ocr.on && options.ocr != "auto";
    if (ocr.pictures) {
        if (const auto there = s3attn::check_ocr(options.ocr); !there.ok()) return there;
        ocr.languages = options.ocr;
    }
    ocr.cache_dir = options.engine.cache_dir;
    ocr.stop = [] { return g_cancel.cancelled(); };
    s3attn::set_ocr(std::move(ocr));
    return {};
}

constexpr const char* kFooter = R"(Start here:
  s3attn index notes.s3 book.md         read a document once
  s3attn sync notes.s3 ~/notes          keep it in step with a folder
  s3attn ask notes.s3 "Who is ...?"     answer from it, with citations
  s3attn search notes.s3 "..."          only the evidence
  s3attn ask report.pdf "What ...?"     of a file that is in no store: read once, kept in the cache

Options may also stand in a config file (--config; TOML or INI, one [section] per subcommand) or in
S3ATTN_* variables (S3ATTN_MODEL, S3ATTN_BUDGET, ...). The command line wins over variables, these
over the file. Exit codes: 0 done, 1 failed, 2 wrong usage.)";

}  // namespace

int main(int argc, char** argv) {
    set_openmp_waiting(argv);
    std::signal(SIGINT, on_interrupt);
    std::signal(SIGTERM, on_interrupt);
    // A terminal that closes ends it as orderly; under nohup it stays ignored.
    if (std::signal(SIGHUP, on_interrupt) == SIG_IGN) std::signal(SIGHUP, SIG_IGN);
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);  // a file size limit is an error to report, like a full disk

    CLI::App app{
        "Answers questions about documents that are larger than a language model's window.\n"
        "The model itself finds the evidence: it reads the document once, chunk by chunk; its\n"
        "attention keys become a small index; no cache of the document is kept.",
        "s3attn"};
    s3attn::cli::GlobalOptions options;
    std::function<int()> run;
    s3attn::cli::Context context{app, options, g_cancel, run};
    s3attn::cli::add_global_options(app, options);
    app.allow_config_extras(CLI::config_extras_mode::error);  // a misspelt key is no silent no-op
    app.config_formatter(s3attn::cli::make_config_reader(app));
    app.set_config("--config", default_config_file(), "read options from this file")
        ->envname("S3ATTN_CONFIG")
        ->option_text("FILE (default ~/.config/s3attn/config.toml) (Env:S3ATTN_CONFIG)");
    app.set_version_flag("--version", "s3attn " S3ATTN_VERSION);
    app.require_subcommand(1);
    app.fallthrough();
    app.footer(kFooter);
    s3attn::cli::add_index_command(context);
    s3attn::cli::add_query_commands(context);
    s3attn::cli::add_sync_command(context);
    s3attn::cli::add_store_commands(context);
    s3attn::cli::add_inspect_command(context);
    s3attn::cli::add_portable_commands(context);
    s3attn::cli::add_serve_command(context);
    s3attn::cli::add_doctor_command(context);
    s3attn::cli::add_cache_command(context);
    s3attn::cli::add_train_command(context);
    s3attn::cli::add_eval_command(context);
    s3attn::cli::check_numbers(app);

    const s3attn::cli::CommandLine line{app, {argv + 1, argv + argc}};
    try {
        app.parse(argc, argv);
        s3attn::cli::check_environment(line);
    } catch (const CLI::ParseError& error) {
        return s3attn::cli::report_usage(line, error);
    }
    s3attn::cli::explain_files(s3attn::cli::named_files(line));
    s3attn::cli::fill_defaults(options);
    s3attn::set_model_log(options.verbose ? [](int, const char* text) { std::fputs(text, stderr); }
                                          : s3attn::ModelLog{nullptr});
    if (const s3attn::Status ready = prepare_ocr(options); !ready.ok()) {
        return s3attn::cli::fail(ready.error());
    }
    return run();
}
