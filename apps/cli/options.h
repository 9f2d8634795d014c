// Options that several subcommands share, declared once.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "s3attn/engine.h"
#include "s3attn/types.h"

namespace s3attn::cli {

// Options of the program itself; they may stand before or after the subcommand.
struct GlobalOptions {
    EngineOptions engine;
    bool default_model = false;  // nobody named one
    std::string reader_key_file;
    std::string ocr = "auto";  // "off", or languages: "eng+deu"
    bool json = false;
    bool quiet = false;
    bool verbose = false;
};

struct QueryArguments {
    std::vector<std::string> documents;  // a store, or files and folders that are in none
    std::string question;
    std::string questions_file;
    SearchOptions search;
    AskOptions ask;
    bool quote = false;  // and no answer
};

void add_global_options(CLI::App& app, GlobalOptions& options);
void add_search_options(CLI::App& command, SearchOptions& options);
// The part of them that decides the order of units, not how many are shown.
// --rerank and what belongs to it.
void add_rerank_options(CLI::App& command, EngineOptions& options);
void add_ranking_options(CLI::App& command, SearchOptions& options);

// Refuses what the parser would take for a number: "-1" as the largest unsigned one, "nan" as lying
// in any range. Once every option is there.
void check_numbers(CLI::App& app);

// Fills what the user left open: the default model, adapter directories, the cache directory.
void fill_defaults(GlobalOptions& options);

// Where `make setup` puts the reader of answers, or empty when it is not there.
std::string find_default_reader();

// HOME, or what the user database says; may be empty.
std::string home_dir();

// ${XDG_CACHE_HOME:-~/.cache}/s3attn
std::string default_cache_dir();

}  // namespace s3attn::cli
