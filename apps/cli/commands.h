// One function per subcommand family: each declares its arguments on `app` and sets `run`.
// run() returns the exit code: 0 done, 1 failed (wrong usage, 2, is handled by main).
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "options.h"
#include "s3attn/progress.h"
#include "usage.h"

namespace s3attn::cli {

struct Context {
    CLI::App& app;
    GlobalOptions& options;
    CancelToken& cancel;        // set by Ctrl-C
    std::function<int()>& run;  // of the subcommand that was given
};

void add_index_command(Context& context);
void add_query_commands(Context& context);  // ask, search, chat
void add_store_commands(Context& context);  // list, remove, verify
void add_inspect_command(Context& context);
void add_portable_commands(Context& context);  // export, import, merge
void add_serve_command(Context& context);
void add_doctor_command(Context& context);
void add_cache_command(Context& context);
void add_sync_command(Context& context);
void add_train_command(Context& context);
void add_eval_command(Context& context);  // eval retrieval

// The message, and what the command line adds to it: flags, and how a command is written.
std::string with_advice(const Error& error);

// Prints "error: message" on standard error, and which option named the file that it is about;
// returns exit code 1.
int fail(const Error& error);
// What the options named, for fail(). Called once, after parsing.
void explain_files(std::vector<NamedValue> files);

// Without a model: kNotFound, and where one was looked for.
Status need_model(const EngineOptions& options);
// What commands that answer hand to the engine: with the default reader, where nobody named a
// reader or a model. Says so where it is not there and the scanning model answers instead.
// Of a reader behind a server: with its key, and a word on standard error that passages are sent.
Result<EngineOptions> with_reader(const GlobalOptions& options);
Status prepare_remote(const GlobalOptions& options, const std::string& reader,
                      EngineOptions& engine);
Result<std::unique_ptr<Engine>> open_engine(const Result<EngineOptions>& options);
// need_model(), then Engine::open().
Result<std::unique_ptr<Engine>> open_engine(const EngineOptions& options);

// A subcommand with help text; options of the program may follow it.
CLI::App* add_command(Context& context, const std::string& name, const std::string& description,
                      const std::string& example);
// The same below a group of subcommands.
CLI::App* add_command(Context& context, CLI::App& group, const std::string& name,
                      const std::string& description, const std::string& example);

}  // namespace s3attn::cli
