#include "config.h"

#include <cstdlib>
#include <vector>

namespace s3attn::cli {
namespace {

class EnvironmentFirst final : public CLI::ConfigTOML {
  public:
    explicit EnvironmentFirst(const CLI::App& app) : app_(app) {}

    std::vector<CLI::ConfigItem> from_config(std::istream& input) const override {
        std::vector<CLI::ConfigItem> entries = CLI::ConfigTOML::from_config(input);
        std::erase_if(entries, [this](const CLI::ConfigItem& item) { return overruled(item); });
        return entries;
    }

  private:
    bool overruled(const CLI::ConfigItem& item) const {
        const CLI::App* app = &app_;
        for (const std::string& parent : item.parents) {
            const auto commands = app->get_subcommands(
                [&](const CLI::App* command) { return command->get_name() == parent; });
            if (commands.empty()) return false;
            app = commands.front();
        }
        const CLI::Option* option = app->get_option_no_throw("--" + item.name);
        if (option == nullptr || option->get_envname().empty()) return false;
        const char* value = std::getenv(option->get_envname().c_str());
        return value != nullptr && *value != '\0';
    }

    const CLI::App& app_;
};

}  // namespace

std::shared_ptr<CLI::Config> make_config_reader(const CLI::App& app) {
    return std::make_shared<EnvironmentFirst>(app);
}

}  // namespace s3attn::cli
