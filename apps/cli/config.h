// Config files below environment variables: CLI11 by itself lets the file win.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>

namespace s3attn::cli {

// A TOML/INI reader that passes over entries whose S3ATTN_* variable is set.
std::shared_ptr<CLI::Config> make_config_reader(const CLI::App& app);

}  // namespace s3attn::cli
