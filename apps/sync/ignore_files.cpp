#include "sync/ignore_files.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <string_view>

#include "text/child_process.h"
#include "text/source_file.h"

namespace s3attn::apps {
namespace {

namespace fs = std::filesystem;
constexpr uint64_t kMostOutput = 1ull << 30;

// A folder without links in its path, and whose ignore files count for it.
struct Folder {
    std::string canonical, top;
    bool repository = false;  // `top` is that of a work tree
    bool has_rules = false;   // outside a repository: there is a .gitignore up to `top`
};

class Ignored {
  public:
    Ignored(const std::string& root, std::vector<ReadNote>& notes) : notes_(notes) {
        std::error_code error;
        root_ = fs::canonical(root, error).string();
    }

    std::vector<size_t> find(const std::vector<std::string>& paths) {
        struct Group {
            bool repository = false;
            std::vector<std::pair<std::string, size_t>> files;  // relative to the top
        };
        std::map<std::string, Group> groups;
        for (size_t i = 0; i < paths.size(); ++i) {
            const fs::path path(paths[i]);
            const Folder& folder = folder_of(path.parent_path().string());
            if (!folder.repository && !folder.has_rules) continue;
            Group& group = groups[folder.top];
            group.repository = folder.repository;
            const fs::path whole = fs::path(folder.canonical) / path.filename();
            group.files.emplace_back(whole.lexically_relative(folder.top).string(), i);
        }
        std::vector<size_t> ignored;
        for (const auto& [top, group] : groups) {
            std::string names;
            for (const auto& [name, index] : group.files) names += name + '\0';
            // git answers in the order in which it is asked.
            auto file = group.files.begin();
            for (const std::string& name : ask_git(top, group.repository, names)) {
                file = std::find_if(file, group.files.end(),
                                    [&name](const auto& each) { return each.first == name; });
                if (file == group.files.end()) break;
                ignored.push_back((file++)->second);
            }
        }
        std::sort(ignored.begin(), ignored.end());
        return ignored;
    }

  private:
    const Folder& folder_of(const std::string& path) {
        const auto known = folders_.find(path);
        if (known != folders_.end()) return known->second;
        Folder folder;
        std::error_code error;
        folder.canonical = fs::canonical(path.empty() ? "." : path, error).string();
        if (!error) find_top(folder);
        return folders_[path] = folder;
    }

    void find_top(Folder& folder) const {
        std::error_code error;
        const bool inside = (folder.canonical + "/").starts_with(root_ + "/");
        folder.top = inside ? root_ : folder.canonical;
        bool below_top = true;
        for (fs::path at = folder.canonical;; at = at.parent_path()) {
            if (fs::exists(at / ".git", error)) {
                folder.top = at.string();
                folder.repository = true;
                return;
            }
            if (below_top && fs::exists(at / ".gitignore", error)) folder.has_rules = true;
            if (at == folder.top) below_top = false;
            if (at == at.parent_path()) return;
        }
    }

    std::vector<std::string> ask_git(const std::string& top, bool repository,
                                     const std::string& names) {
        const std::string git = text::find_program("git");
        if (git.empty()) {
            note(top, "ignore files are not followed: git is not installed");
            return {};
        }
        std::string why;
        if (repository) {
            if (auto ignored = run(git, {"-C", top}, names, why)) return std::move(*ignored);
            note(top,
                 "its .gitignore files are followed as outside a repository, for git says: " + why);
        }
        // A repository of nothing, with `top` as its work tree.
        std::string folder = (fs::temp_directory_path() / "s3attn-ignore-XXXXXX").string();
        if (::mkdtemp(folder.data()) == nullptr) {
            note(top, "ignore files are not followed: no temporary folder can be made");
            return {};
        }
        std::optional<std::vector<std::string>> ignored;
        if (call(git, {"init", "-q", "--template=", folder}, "", why)) {
            ignored = run(git, {"--git-dir=" + folder + "/.git", "--work-tree=" + top, "-C", top},
                          names, why);
        }
        std::error_code error;
        fs::remove_all(folder, error);
        if (!ignored) note(top, "ignore files are not followed: git says: " + why);
        return ignored.value_or(std::vector<std::string>());
    }

    std::optional<std::vector<std::string>> run(const std::string& git,
                                                std::vector<std::string> arguments,
                                                const std::string& names, std::string& why) {
        arguments.insert(arguments.end(), {"check-ignore", "-z", "--stdin"});
        const auto output = call(git, arguments, names, why);
        if (!output) return std::nullopt;
        std::vector<std::string> ignored;
        for (size_t at = 0; at < output->size();) {
            const size_t end = std::min(output->find('\0', at), output->size());
            ignored.push_back(output->substr(at, end - at));
            at = end + 1;
        }
        return ignored;
    }

    // What git prints; nothing where it fails. A hook of the caller's may have set its variables,
    // and a repository may name a program to watch its files with: neither counts.
    static std::optional<std::string> call(const std::string& git,
                                           const std::vector<std::string>& arguments,
                                           const std::string& input, std::string& why) {
        const std::string env = text::find_program("env");
        std::vector<std::string> command = {env};
        for (const char* name : {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"}) {
            command.insert(command.end(), {"-u", name});
        }
        command.insert(command.end(), {git, "-c", "core.fsmonitor=false"});
        command.insert(command.end(), arguments.begin(), arguments.end());
        const auto in = text::SourceFile::temporary("names");
        const auto out = text::SourceFile::temporary("ignored names");
        if (env.empty() || !in.ok() || !out.ok()) {
            why = "it cannot be started";
            return std::nullopt;
        }
        Status written = write_all((*in)->fd(), input, "a temporary file");
        if (!written.ok() || ::lseek((*in)->fd(), 0, SEEK_SET) < 0) {
            why = written.ok() ? "it cannot be asked" : written.error().message;
            return std::nullopt;
        }
        const auto outcome = text::run_child(command, (*in)->fd(), (*out)->fd(), {});
        if (!outcome.ok() || (outcome->exit_code != 0 && outcome->exit_code != 1)) {
            why = outcome.ok() ? outcome->messages : outcome.error().message;
            while (!why.empty() && why.back() == '\n') why.pop_back();
            return std::nullopt;
        }
        const auto text = (*out)->read_all(kMostOutput);
        return text.ok() ? std::optional(*text) : std::nullopt;
    }

    void note(const std::string& place, const std::string& message) {
        notes_.push_back({ReadNote::Kind::kLeftOut, place, 0, message});
    }

    std::string root_;
    std::vector<ReadNote>& notes_;
    std::map<std::string, Folder> folders_;
};

}  // namespace

std::vector<size_t> find_ignored(const std::string& root, const std::vector<std::string>& paths,
                                 std::vector<ReadNote>& notes) {
    return Ignored(root, notes).find(paths);
}

}  // namespace s3attn::apps
