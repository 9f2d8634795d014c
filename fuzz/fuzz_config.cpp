// A config file of any bytes: options, or an error of the kind that the program reports.
#include <CLI/CLI.hpp>

#include "../apps/cli/config.h"
#include "../apps/cli/options.h"
#include "target.h"

namespace s3attn::fuzz {
namespace {

const Scratch& scratch() {
    static const Scratch directory;
    return directory;
}

}  // namespace

std::vector<std::string> seeds() {
    return {"model = \"a.gguf\"\nthreads = 2\n[search]\nbudget = 60\nmethod = \"bm25\"\n",
            "json=true\nquiet=false\n; comment\n# comment\n",
            "[search]\nmax-spans=[1,2]\nexplain=true\n[a.b]\nc='d'\n",
            "chunk = 3\n",
            "search.budget = 9\n",
            "++\n[]\n=\n\"\n'\n[search\n"};
}

}  // namespace s3attn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace s3attn;
    const std::string path = fuzz::scratch() / "config.toml";
    fuzz::write_file(path, data, size);
    // As apps/cli/main.cpp puts them together.
    CLI::App app("fuzz", "s3attn");
    cli::GlobalOptions options;
    SearchOptions search;
    cli::add_global_options(app, options);
    app.allow_config_extras(CLI::config_extras_mode::error);
    app.config_formatter(cli::make_config_reader(app));
    app.set_config("--config", path);
    CLI::App* command = app.add_subcommand("search", "");
    command->fallthrough();
    cli::add_search_options(*command, search);
    try {
        app.parse("search");
    } catch (const CLI::ParseError&) {
        // What main() turns into a message and exit code 2.
    }
    return 0;
}
