#include "commands.h"

#include <cstdio>

namespace s3attn::cli {

int fail(const Error& error) {
    std::fprintf(stderr, "error: %s\n", error.message.c_str());
    return 1;
}

CLI::App* add_command(Context& context, const std::string& name, const std::string& description,
                      const std::string& example) {
    return add_command(context, context.app, name, description, example);
}

CLI::App* add_command(Context& context, CLI::App& group, const std::string& name,
                      const std::string& description, const std::string& example) {
    CLI::App* command = group.add_subcommand(name, description);
    command->fallthrough();
    // The program's own options may follow the subcommand, so its help lists them too.
    const CLI::App* app = &context.app;
    command->footer([app, example] {
        std::string text = example + "\n\nOptions of every command:\n";
        for (const CLI::Option* option : app->get_options()) {
            if (option->get_name().empty() || option->get_name() == "--help") continue;
            std::string name_text = "  " + option->get_name(false, true);
            name_text.resize(std::max<size_t>(name_text.size() + 2, 24), ' ');
            text += name_text + option->get_description() + "\n";
        }
        return text;
    });
    return command;
}

}  // namespace s3attn::cli
