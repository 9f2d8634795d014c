// What is said of wrong usage: in the words of the user, and with where they stand.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace s3attn::cli {

struct CommandLine {
    const CLI::App& app;
    std::vector<std::string> arguments;  // without the program's name, as they were given
};

// Prints what is wrong with the command line, an S3ATTN_* variable or the config file, and what may
// have been meant; help and version likewise. Returns the exit code: 0 or 2.
int report_usage(const CommandLine& line, const CLI::ParseError& error);

// Where an option got its value: "--budget", "S3ATTN_BUDGET" or "budget in .../config.toml".
std::string origin_of(const CommandLine& line, const CLI::Option& option);

// The one of `names` that `word` is most likely a misspelling of; empty where none is near.
// More than `most` edits apart is not near.
std::string nearest(const std::string& word, const std::vector<std::string>& names,
                    size_t most = 4);

// Notes S3ATTN_* variables that are misspelt. Throws where S3ATTN_CONFIG names no readable file.
void check_environment(const CommandLine& line);

// Files and folders that options named, for messages about them: value and origin.
struct NamedValue {
    std::string value, origin;
};
std::vector<NamedValue> named_files(const CommandLine& line);

}  // namespace s3attn::cli
