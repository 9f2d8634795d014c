#include "text/inputs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <system_error>

#include "text/file_kinds.h"
#include "text/source_file.h"

namespace s3attn {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStores = "stores of s3attn";

std::string system_message(int code) { return std::generic_category().message(code); }

class InputCollector {
  public:
    InputCollector(bool recursive, const LeaveOut& leave_out)
        : recursive_(recursive), leave_out_(leave_out) {}

    void add(const std::string& input) {
        if (input == "-") {
            if (seen_.insert(input).second) list_.files.push_back({input, {}});
            return;
        }
        struct stat status {};
        if (::stat(input.c_str(), &status) != 0) {
            add_problem(input, errno);
        } else if (S_ISDIR(status.st_mode)) {
            if (recursive_) {
                add_directory(input);
            } else {
                list_.files.push_back({input,
                                       "is a directory, and directories are not searched; name "
                                       "the files in it"});
            }
        } else if (!S_ISREG(status.st_mode)) {
            list_.files.push_back({input, "is " + text::describe_file_type(status.st_mode) +
                                              "; pipe it to standard input and name \"-\""});
        } else {
            add_file(input);
        }
    }

    InputList take() {
        std::stable_sort(list_.notes.begin(), list_.notes.end(),
                         [](const auto& a, const auto& b) { return a.place < b.place; });
        return std::move(list_);
    }

  private:
    void add_problem(const std::string& path, int code) {
        struct stat link {};
        const bool dangling =
            code == ENOENT && ::lstat(path.c_str(), &link) == 0 && S_ISLNK(link.st_mode);
        list_.files.push_back({path, dangling ? "is a symbolic link to something that is not there"
                                              : "cannot be opened: " + system_message(code)});
    }

    // A file that is reachable under several names is read once.
    bool is_new(const std::string& path) {
        std::error_code error;
        const fs::path canonical = fs::canonical(path, error);
        return seen_.insert(error ? path : canonical.string()).second;
    }

    void add_file(const std::string& path) {
        if (::access(path.c_str(), R_OK) != 0) {
            add_problem(path, errno);
        } else if (is_new(path)) {
            list_.files.push_back({path, {}});
        }
    }

    // One walk through a folder and what is linked into it.
    struct Walk {
        std::string root;
        std::vector<std::string> folders, links, paths;  // still to be looked at
        std::set<std::pair<dev_t, ino_t>> seen;          // folders
        std::vector<InputFile> problems;
        std::map<std::string, uint64_t> unread, passed_over;  // by kind of file
    };

    void add_directory(const std::string& root) {
        Walk walk;
        walk.root = root;
        walk.folders.push_back(root);
        // Links come last, so that a file is named by its place in the folder itself.
        while (!walk.folders.empty() || !walk.links.empty()) {
            std::vector<std::string>& from = walk.folders.empty() ? walk.links : walk.folders;
            const bool link = walk.folders.empty();
            const std::string directory = std::move(from.back());
            from.pop_back();
            struct stat status {};
            const bool there = ::stat(directory.c_str(), &status) == 0;
            if (there && !walk.seen.insert({status.st_dev, status.st_ino}).second) continue;
            if (is_store(directory)) {
                ++walk.passed_over[kStores];
                continue;
            }
            if (link && leads_around(directory, root)) {
                add_note(list_.notes, {ReadNote::Kind::kLeftOut, directory, 1,
                                       "links to a folder around this one and is not followed"});
                continue;
            }
            std::error_code error;
            fs::directory_iterator entries(directory, error), end;
            for (; !error && entries != end; entries.increment(error)) {
                visit(*entries, directory, walk);
            }
            if (error) walk.problems.push_back({directory, "cannot be listed: " + error.message()});
        }
        std::sort(walk.paths.begin(), walk.paths.end());
        remove_left_out(walk);
        for (const std::string& path : walk.paths) add_found(path, walk);
        list_.files.insert(list_.files.end(), walk.problems.begin(), walk.problems.end());
        report(walk);
    }

    // What this program keeps of documents is none of them.
    static bool is_store(const std::string& directory) {
        return ::access((directory + "/catalog.db").c_str(), F_OK) == 0 &&
               ::access((directory + "/writer.lock").c_str(), F_OK) == 0;
    }

    void remove_left_out(Walk& walk) {
        if (!leave_out_) return;
        const std::vector<size_t> out = leave_out_(walk.root, walk.paths, list_.notes);
        auto next = out.begin();
        size_t at = 0;
        std::erase_if(walk.paths, [&](const std::string&) {
            const bool gone = next != out.end() && *next == at;
            ++at;
            if (gone) ++next;
            return gone;
        });
    }

    // Whether a link's target holds the folder that is walked.
    static bool leads_around(const std::string& link, const std::string& root) {
        std::error_code error;
        const std::string target = fs::canonical(link, error).string();
        const std::string inside = fs::canonical(root, error).string();
        if (error) return false;
        return target == inside || target == "/" || inside.starts_with(target + "/");
    }

    static void visit(const fs::directory_entry& entry, const std::string& directory, Walk& walk) {
        const std::string name = entry.path().filename().string();
        if (name.starts_with('.')) {
            ++walk.passed_over["hidden"];
            return;
        }
        const std::string path = directory + (directory.ends_with('/') ? "" : "/") + name;
        struct stat status {
        }, target{};
        if (::lstat(path.c_str(), &status) != 0) {
            walk.problems.push_back({path, "cannot be examined: " + system_message(errno)});
        } else if (S_ISDIR(status.st_mode)) {
            walk.folders.push_back(path);
        } else if (::stat(path.c_str(), &target) != 0 || S_ISREG(target.st_mode)) {
            walk.paths.push_back(path);  // a dangling link too: it is named
        } else if (S_ISDIR(target.st_mode)) {
            walk.links.push_back(path);
        } else {
            ++walk.passed_over["sockets, pipes and devices"];
        }
    }

    void add_found(const std::string& path, Walk& walk) {
        Result<std::shared_ptr<text::SourceFile>> source = text::SourceFile::open(path);
        if (!source.ok()) {
            struct stat status {};
            const int code = ::stat(path.c_str(), &status) != 0 ? errno : EACCES;
            add_problem(path, code);
            return;
        }
        if (!is_new(path)) return;
        struct stat status {};
        if (::fstat((*source)->fd(), &status) == 0 && status.st_size == 0) {
            ++walk.passed_over["empty"];
            return;
        }
        const text::FileKind kind = text::kind_of(**source);
        switch (kind.role) {
            case text::FileRole::kDocument: list_.files.push_back({path, {}}); return;
            case text::FileRole::kUnreadable:
                list_.files.push_back({path, kind.problem, true});
                ++walk.unread[kind.label];
                break;
            case text::FileRole::kArchive: ++walk.passed_over[kind.label]; break;
            case text::FileRole::kOther: break;
        }
        ++list_.passed_over[kind.label];
    }

    // "7 documents passed over ...: 3 .xlsx, 2 .doc, ...".
    void report(const Walk& walk) {
        for (const char* kind : {"hidden", "empty", "sockets, pipes and devices", kStores}) {
            const auto found = walk.passed_over.find(kind);
            if (found != walk.passed_over.end()) list_.passed_over[kind] += found->second;
        }
        add_counts(walk.root, walk.unread, ReadNote::Kind::kUnread,
                   "passed over that cannot be read");
        add_counts(walk.root, walk.passed_over, ReadNote::Kind::kLeftOut, "passed over");
    }

    void add_counts(const std::string& root, const std::map<std::string, uint64_t>& counts,
                    ReadNote::Kind kind, const std::string& what) {
        uint64_t all = 0;
        std::vector<std::pair<uint64_t, std::string>> order;
        for (const auto& [label, count] : counts) {
            all += count;
            order.emplace_back(count, label);
        }
        if (all == 0) return;
        std::stable_sort(order.begin(), order.end(),
                         [](const auto& a, const auto& b) { return a.first > b.first; });
        std::string list;
        for (const auto& [count, label] : order) {
            list += (list.empty() ? "" : ", ") + std::to_string(count) + " " + label;
        }
        add_note(list_.notes, {kind, root, all, std::to_string(all) + " " + what + ": " + list});
    }

    bool recursive_;
    const LeaveOut& leave_out_;
    InputList list_;
    std::set<std::string> seen_;
};

}  // namespace

InputList expand_inputs(const std::vector<std::string>& inputs, bool recursive) {
    return expand_inputs(inputs, recursive, LeaveOut());
}

InputList expand_inputs(const std::vector<std::string>& inputs, bool recursive,
                        const LeaveOut& leave_out) {
    InputCollector collector(recursive, leave_out);
    for (const std::string& input : inputs) collector.add(input);
    return collector.take();
}

}  // namespace s3attn
