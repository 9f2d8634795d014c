#include "usage.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <set>

namespace s3attn::cli {
namespace {

const auto kEvery = [](const CLI::App*) { return true; };

// The program and the commands that were given, outermost first.
std::vector<const CLI::App*> chain_of(const CLI::App& app) {
    std::vector<const CLI::App*> chain{&app};
    while (!chain.back()->get_subcommands().empty()) {
        chain.push_back(chain.back()->get_subcommands().front());
    }
    return chain;
}

void collect_apps(const CLI::App& app, std::vector<const CLI::App*>& out) {
    out.push_back(&app);
    for (const CLI::App* command : app.get_subcommands(kEvery)) collect_apps(*command, out);
}
std::vector<const CLI::App*> all_apps(const CLI::App& app) {
    std::vector<const CLI::App*> out;
    collect_apps(app, out);
    return out;
}

std::string joined(const std::vector<std::string>& words, const char* between) {
    std::string out;
    for (const std::string& word : words) out += (out.empty() ? "" : between) + word;
    return out;
}

// Steps of an edit that turns one word into the other; two neighbours swapped count one.
size_t distance(const std::string& a, const std::string& b) {
    std::vector<std::vector<size_t>> steps(a.size() + 1, std::vector<size_t>(b.size() + 1));
    for (size_t i = 0; i <= a.size(); ++i) steps[i][0] = i;
    std::iota(steps[0].begin(), steps[0].end(), size_t{0});
    for (size_t i = 1; i <= a.size(); ++i) {
        for (size_t j = 1; j <= b.size(); ++j) {
            steps[i][j] = std::min({steps[i - 1][j] + 1, steps[i][j - 1] + 1,
                                    steps[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                steps[i][j] = std::min(steps[i][j], steps[i - 2][j - 2] + 1);
            }
        }
    }
    return steps[a.size()][b.size()];
}

std::vector<std::string> command_names(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::App* command : app.get_subcommands(kEvery))
        names.push_back(command->get_name());
    return names;
}

std::vector<std::string> option_names(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::App* each : chain_of(app)) {
        for (const CLI::Option* option : each->get_options()) {
            for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
        }
    }
    return names;
}

const CLI::Option* find_option(const CLI::App& app, const std::string& name) {
    const CLI::Option* found = nullptr;
    for (const CLI::App* each : chain_of(app)) {
        if (const CLI::Option* option = each->get_option_no_throw(name)) found = option;
    }
    return found;
}

// What no option or argument took, in the order in which it was given.
std::vector<std::string> unexpected(const CommandLine& line) {
    const std::vector<std::string> left = line.app.remaining(true);
    std::multiset<std::string> open(left.begin(), left.end());
    std::vector<std::string> out;
    for (const std::string& argument : line.arguments) {
        const auto found = open.find(argument);
        if (found == open.end()) continue;
        out.push_back(argument);
        open.erase(found);
    }
    // What the parser made of an argument, such as the rest of "-qx", stands nowhere as such.
    out.insert(out.end(), open.begin(), open.end());
    return out;
}

std::string unknown_command(const CLI::App& group, const std::string& word) {
    const std::vector<std::string> names = command_names(group);
    const std::string guess = nearest(word, names);
    return "there is no command '" + word + "'" +
           (guess.empty() ? "; there are: " + joined(names, ", ")
                          : "; did you mean '" + guess + "'?");
}

std::string misplaced(const CommandLine& line) {
    const std::vector<std::string> left = unexpected(line);
    std::vector<std::string> words;
    for (const std::string& each : left) {
        if (!each.starts_with("-") || each == "-") {
            words.push_back(each);
            continue;
        }
        const std::string name = each.substr(0, each.find('='));
        const std::string guess = nearest(name, option_names(line.app));
        return "there is no option " + name +
               (guess.empty() ? "" : "; did you mean " + guess + "?");
    }
    return "unexpected: " + joined(words, " ");
}

// The parser names the option, wherever its value came from.
std::string with_origin(const CommandLine& line, std::string message) {
    size_t begin = message.find("--");
    if (begin == std::string::npos) return message;
    size_t end = message.find_first_not_of("abcdefghijklmnopqrstuvwxyz-0123456789", begin);
    end = std::min(end, message.size());
    const CLI::Option* option = find_option(line.app, message.substr(begin, end - begin));
    if (option == nullptr) return message;
    return message.replace(begin, end - begin, origin_of(line, *option));
}

std::string config_file(const CLI::App& app) {
    const CLI::Option* config = app.get_config_ptr();
    if (config == nullptr) return "";
    return config->results().empty() ? config->get_default_str() : config->results().front();
}

// "INI was not able to parse budgte"
std::string unknown_entry(const CommandLine& line, const std::string& message) {
    const std::string word = message.substr(message.rfind(' ') + 1);
    std::vector<std::string> names;
    for (const std::string& name : option_names(line.app)) names.push_back(name.substr(2));
    const std::string guess = nearest(word.substr(word.rfind('.') + 1), names);
    return config_file(line.app) + ": there is no option '" + word + "'" +
           (guess.empty() ? "" : "; did you mean '" + guess + "'?");
}

std::string unreadable_config(const CommandLine& line) {
    return origin_of(line, *line.app.get_config_ptr()) + ": cannot read the config file " +
           config_file(line.app);
}

std::string missing_command(const CommandLine& line, const CLI::App& group) {
    const std::vector<std::string> left = unexpected(line);
    const auto word = std::find_if(left.begin(), left.end(),
                                   [](const auto& each) { return !each.starts_with("-"); });
    if (word != left.end()) return unknown_command(group, *word);
    if (!left.empty()) return misplaced(line);
    return "a command is missing: " + joined(command_names(group), ", ");
}

std::string explain(const CommandLine& line, const CLI::ParseError& error) {
    const CLI::App& innermost = *chain_of(line.app).back();
    switch (static_cast<CLI::ExitCodes>(error.get_exit_code())) {
        case CLI::ExitCodes::ExtrasError: return misplaced(line);
        case CLI::ExitCodes::ConfigError: return unknown_entry(line, error.what());
        case CLI::ExitCodes::FileError: return unreadable_config(line);
        case CLI::ExitCodes::RequiredError:
            return command_names(innermost).empty() ? error.what()
                                                    : missing_command(line, innermost);
        default: return with_origin(line, error.what());
    }
}

}  // namespace

std::string nearest(const std::string& word, const std::vector<std::string>& names, size_t most) {
    std::string best;
    size_t fewest = std::min(most, std::max<size_t>(1, word.size() / 3)) + 1;
    for (const std::string& name : names) {
        const bool begun = word.size() >= 3 && name.starts_with(word);
        const size_t steps = begun ? 1 : distance(word, name);
        if (steps < fewest) {
            fewest = steps;
            best = name;
        }
    }
    return best;
}

std::string origin_of(const CommandLine& line, const CLI::Option& option) {
    for (const std::string& argument : line.arguments) {
        for (const std::string& name : option.get_lnames()) {
            if (argument == "--" + name || argument.starts_with("--" + name + "=")) {
                return "--" + name;
            }
        }
        for (const std::string& name : option.get_snames()) {
            if (argument.size() >= 2 && argument[0] == '-' && argument[1] == name[0]) {
                return "-" + name;
            }
        }
    }
    const std::string& variable = option.get_envname();
    if (!variable.empty()) {
        const char* value = std::getenv(variable.c_str());
        if (value != nullptr && *value != '\0') return variable;
    }
    if (!option.nonpositional()) return option.get_name(true);
    return option.get_single_name() + " in " + config_file(line.app);
}

std::vector<NamedValue> named_files(const CommandLine& line) {
    std::vector<NamedValue> out;
    for (const CLI::App* each : chain_of(line.app)) {
        for (const CLI::Option* option : each->get_options()) {
            const std::string type = option->get_type_name();
            if (!option->nonpositional() || option->count() == 0) continue;
            if (type != "FILE" && type != "DIR") continue;
            for (const std::string& value : option->results()) {
                out.push_back({value, origin_of(line, *option)});
            }
        }
    }
    return out;
}

void check_environment(const CommandLine& line) {
    // The parser passes over a file that a variable names and that is not there.
    const CLI::Option& config = *line.app.get_config_ptr();
    const char* file = std::getenv(config.get_envname().c_str());
    if (file != nullptr && *file != '\0' && origin_of(line, config) == config.get_envname() &&
        ::access(file, R_OK) != 0) {
        throw CLI::FileError::Missing(file);
    }
    // Variables that are no options: a secret, and those of the set-up's scripts.
    std::vector<std::string> names{"S3ATTN_READER_KEY", "S3ATTN_CACHE", "S3ATTN_NO_READER",
                                   "S3ATTN_NO_SYSTEM"};
    for (const CLI::App* each : all_apps(line.app)) {
        for (const CLI::Option* option : each->get_options()) {
            if (!option->get_envname().empty()) names.push_back(option->get_envname());
        }
    }
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string text = *entry, name = text.substr(0, text.find('='));
        if (!name.starts_with("S3ATTN_")) continue;
        const std::string guess = nearest(name, names, 2);
        if (guess.empty() || guess == name) continue;
        std::fprintf(stderr, "note: there is no variable %s; did you mean %s?\n", name.c_str(),
                     guess.c_str());
    }
}

int report_usage(const CommandLine& line, const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return line.app.exit(error);
    const std::vector<const CLI::App*> chain = chain_of(line.app);
    std::string help = "s3attn";
    for (size_t i = 1; i < chain.size(); ++i) help += " " + chain[i]->get_name();
    std::fprintf(stderr, "error: %s\n%s --help lists what there is.\n",
                 explain(line, error).c_str(), help.c_str());
    return 2;
}

}  // namespace s3attn::cli
