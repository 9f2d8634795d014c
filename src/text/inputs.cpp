#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>

#include "text/detect.h"
#include "text/document_reader.h"
#include "text/encoding.h"
#include "text/source_file.h"

namespace s3attn {
namespace {

namespace fs = std::filesystem;

std::string system_message(int code) { return std::generic_category().message(code); }

// Binary data in the first bytes: such files inside directories are passed over in silence.
bool looks_like_document(const text::SourceFile& source) {
    const Result<text::Detection> detection = text::detect_format(source);
    if (!detection.ok() || detection->format == text::Format::kUnsupported) return false;
    if (detection->format != text::Format::kText) return true;
    char head[4096];
    const Result<size_t> got = source.read_at(0, head, sizeof head);
    if (!got.ok()) return false;
    return text::may_be_text({head, *got});
}

class InputCollector {
  public:
    explicit InputCollector(bool recursive) : recursive_(recursive) {}

    void add(const std::string& input) {
        if (input == "-") {
            if (seen_.insert(input).second) files_.push_back({input, {}});
            return;
        }
        struct stat status {};
        if (::stat(input.c_str(), &status) != 0) {
            add_problem(input, errno);
        } else if (S_ISDIR(status.st_mode)) {
            if (recursive_) {
                add_directory(input);
            } else {
                files_.push_back({input,
                                  "is a directory, and directories are not searched; name "
                                  "the files in it"});
            }
        } else if (!S_ISREG(status.st_mode)) {
            files_.push_back({input, "is " + text::describe_file_type(status.st_mode) +
                                         "; pipe it to standard input and name \"-\""});
        } else {
            add_file(input);
        }
    }

    std::vector<InputFile> take() { return std::move(files_); }

  private:
    void add_problem(const std::string& path, int code) {
        struct stat link {};
        const bool dangling =
            code == ENOENT && ::lstat(path.c_str(), &link) == 0 && S_ISLNK(link.st_mode);
        files_.push_back({path, dangling ? "is a symbolic link to something that is not there"
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
            files_.push_back({path, {}});
        }
    }

    void add_directory(const std::string& root) {
        std::vector<std::string> pending = {root}, paths;
        std::vector<InputFile> problems;
        while (!pending.empty()) {
            const std::string directory = std::move(pending.back());
            pending.pop_back();
            std::error_code error;
            fs::directory_iterator entries(directory, error), end;
            for (; !error && entries != end; entries.increment(error)) {
                visit(*entries, directory, pending, paths);
            }
            if (error) problems.push_back({directory, "cannot be listed: " + error.message()});
        }
        std::sort(paths.begin(), paths.end());
        for (const std::string& path : paths) add_found(path);
        files_.insert(files_.end(), problems.begin(), problems.end());
    }

    // Links to files are followed, links to directories are not: they may lead back up.
    static void visit(const fs::directory_entry& entry, const std::string& directory,
                      std::vector<std::string>& pending, std::vector<std::string>& paths) {
        const std::string name = entry.path().filename().string();
        if (name.starts_with('.')) return;
        const std::string path = directory + (directory.ends_with('/') ? "" : "/") + name;
        struct stat status {};
        if (::lstat(path.c_str(), &status) != 0) return;
        if (S_ISDIR(status.st_mode)) {
            pending.push_back(path);
            return;
        }
        struct stat target {};
        const bool resolved = ::stat(path.c_str(), &target) == 0;
        if (resolved && !S_ISREG(target.st_mode)) return;
        paths.push_back(path);
    }

    void add_found(const std::string& path) {
        Result<std::shared_ptr<text::SourceFile>> source = text::SourceFile::open(path);
        if (!source.ok()) {
            struct stat status {};
            const int code = ::stat(path.c_str(), &status) != 0 ? errno : EACCES;
            add_problem(path, code);
        } else if (looks_like_document(**source) && is_new(path)) {
            files_.push_back({path, {}});
        }
    }

    bool recursive_;
    std::vector<InputFile> files_;
    std::set<std::string> seen_;
};

}  // namespace

std::vector<InputFile> expand_inputs(const std::vector<std::string>& inputs, bool recursive) {
    InputCollector collector(recursive);
    for (const std::string& input : inputs) collector.add(input);
    return collector.take();
}

}  // namespace s3attn
