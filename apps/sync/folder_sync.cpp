#include "sync/folder_sync.h"

#include <sys/stat.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/files.h"
#include "base/timing.h"
#include "s3attn/version.h"
#include "sync/ignore_files.h"
#include "sync/sync_state.h"
#include "text/child_process.h"
#include "text/inputs.h"

namespace s3attn::apps {
namespace {

namespace fs = std::filesystem;

// A problem of a file may go away with another program, or with a converter that is installed.
std::string reader_now() {
    std::string words = std::to_string(S3ATTN_VERSION_MAJOR) + "." +
                        std::to_string(S3ATTN_VERSION_MINOR) + "." +
                        std::to_string(S3ATTN_VERSION_PATCH);
    for (const char* program : {"pdftotext", "soffice", "antiword", "unrtf", "tesseract"}) {
        if (!text::find_program(program).empty()) words += std::string(" ") + program;
    }
    return words;
}

bool is_below(const std::string& path, const std::vector<std::string>& folders) {
    return std::any_of(folders.begin(), folders.end(), [&](const std::string& folder) {
        return path.starts_with(folder == "/" ? folder : folder + "/");
    });
}

class FolderSync {
  public:
    FolderSync(const SyncOptions& options, SyncTarget& target, const CancelToken& cancel)
        : options_(options), target_(target), cancel_(cancel) {}

    Result<SyncReport> run(const MayDrop& may_drop) {
        const Stopwatch watch;
        S3ATTN_CHECK(find_roots());
        state_ = SyncState::load(options_.store);
        if (std::exchange(state_.reader, reader_now()) != state_.reader) forget_problems();
        list_files();
        S3ATTN_CHECK(list_documents());
        for (const InputFile& file : inputs_.files) look_at(file);
        S3ATTN_CHECK(read_changed());
        if (!report_.cancelled) S3ATTN_CHECK(drop_gone(may_drop));
        if (!documents_.empty()) S3ATTN_CHECK(state_.save(options_.store));
        report_.notes = std::move(inputs_.notes);
        report_.passed_over = std::move(inputs_.passed_over);
        report_.seconds = watch.seconds();
        return std::move(report_);
    }

  private:
    Status find_roots() {
        for (const std::string& folder : options_.folders) {
            std::error_code error;
            const fs::path root = fs::canonical(folder, error);
            if (error) {
                return make_error(ErrorCode::kNotFound,
                                  "the folder '" + folder + "' cannot be opened: " +
                                      error.message() + "; nothing was changed");
            }
            if (!fs::is_directory(root, error)) {
                return make_error(ErrorCode::kInvalidArgument,
                                  "'" + folder + "' is no folder; s3attn index reads single files");
            }
            roots_.push_back(root.string());
        }
        return {};
    }

    void forget_problems() {
        for (auto& [path, file] : state_.files) file.problem.clear();
    }

    void list_files() {
        std::error_code error;
        const fs::path store = fs::weakly_canonical(options_.store, error);
        const auto left_out = [&](const std::string& root, const std::vector<std::string>& paths,
                                  std::vector<ReadNote>& notes) {
            if (!options_.follow_ignore_files) return std::vector<size_t>();
            std::vector<size_t> ignored = find_ignored(root, paths, notes);
            for (const size_t index : ignored) ignored_.insert(canonical(paths[index]));
            report_.ignored += ignored.size();
            return ignored;
        };
        inputs_ = expand_inputs(options_.folders, true, left_out);
        std::erase_if(inputs_.files, [&](const InputFile& file) {
            return is_below(canonical(file.path), {store.string()});  // the store itself
        });
    }

    // Without asking the system for every folder of every path.
    std::string canonical(const std::string& path) {
        const fs::path whole(path);
        struct stat link {};
        if (::lstat(path.c_str(), &link) == 0 && S_ISLNK(link.st_mode)) {
            std::error_code error;
            const fs::path target = fs::canonical(whole, error);
            return error ? path : target.string();
        }
        const std::string parent = whole.parent_path().string();
        auto known = folders_.find(parent);
        if (known == folders_.end()) {
            std::error_code error;
            const fs::path target = fs::canonical(parent.empty() ? "." : parent, error);
            known = folders_.emplace(parent, error ? parent : target.string()).first;
        }
        return (fs::path(known->second) / whole.filename()).string();
    }

    Status list_documents() {
        documents_.clear();
        by_source_.clear();
        const auto store = Store::open(options_.store);
        if (!store.ok()) {
            return store.error().code == ErrorCode::kNotFound ? Status() : store.error();
        }
        S3ATTN_TRY(documents_, store->list());
        for (const DocumentInfo& document : documents_) by_source_[document.source] = &document;
        return {};
    }

    void look_at(const InputFile& file) {
        const std::string source = canonical(file.path);
        found_.insert(source);
        if (!file.problem.empty()) {
            skip(file.path, file.problem);
            return;
        }
        struct stat status {};
        if (::stat(file.path.c_str(), &status) != 0) return;  // gone since the walk
        FileState now = state_of(status, std::time(nullptr));
        now.folder = root_of(file.path);
        const auto known = state_.files.find(source);
        const bool same = known != state_.files.end() && known->second.same_as(now);
        if (same && !known->second.problem.empty()) {
            skip(file.path, known->second.problem);
            return;
        }
        const auto document = by_source_.find(source);
        if (document != by_source_.end() && document->second->complete) {
            const std::string& hash = document->second->source_hash;
            const bool unchanged =
                (same && known->second.hash == hash) || has_hash(file.path, hash);
            if (unchanged) {
                now.hash = hash;
                if (!same) state_.files[source] = now;
                ++report_.unchanged;
                return;
            }
        }
        changed_.emplace_back(file.path, source);
        state_.files[source] = now;
    }

    std::string root_of(const std::string& path) const {
        for (size_t i = 0; i < roots_.size(); ++i) {
            std::string folder = options_.folders[i];
            while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
            if (path.starts_with(folder == "/" ? folder : folder + "/")) return roots_[i];
        }
        return roots_.front();
    }

    static bool has_hash(const std::string& path, const std::string& hash) {
        const auto now = hash_file(path);
        return now.ok() && *now == hash;
    }

    void skip(const std::string& path, const std::string& reason) {
        FileOutcome outcome;
        outcome.path = path;
        outcome.kind = FileOutcome::Kind::kSkipped;
        outcome.reason = reason;
        report_.files.push_back(std::move(outcome));
    }

    Status read_changed() {
        if (changed_.empty()) return {};
        const size_t batch = options_.batch_files == 0 ? changed_.size() : options_.batch_files;
        for (size_t at = 0; at < changed_.size() && !report_.cancelled; at += batch) {
            if (cancel_.cancelled()) break;
            std::vector<std::string> files;
            for (size_t i = at; i < std::min(at + batch, changed_.size()); ++i) {
                files.push_back(changed_[i].first);
            }
            S3ATTN_TRY(IndexReport read, target_.index(files));
            take(std::move(read));
        }
        report_.cancelled = report_.cancelled || cancel_.cancelled();
        // What is in the store now is what was read, whatever the file is by now.
        S3ATTN_CHECK(list_documents());
        for (const auto& [path, source] : changed_) {
            FileState& state = state_.files[source];
            const auto document = by_source_.find(source);
            const auto problem = problems_.find(path);
            state.hash = document != by_source_.end() && document->second->complete
                             ? document->second->source_hash
                             : std::string();
            state.problem = problem != problems_.end() ? problem->second : std::string();
            if (state.hash.empty() && state.problem.empty()) state_.files.erase(source);
        }
        return {};
    }

    void take(IndexReport read) {
        using Kind = FileOutcome::Kind;
        report_.tokens += read.tokens;
        report_.cancelled = report_.cancelled || read.cancelled;
        for (FileOutcome& file : read.files) {
            switch (file.kind) {
                case Kind::kIndexed: ++report_.added; break;
                case Kind::kReplaced: ++report_.replaced; break;
                case Kind::kResumed: ++report_.resumed; break;
                case Kind::kRenamed: ++report_.renamed; break;
                case Kind::kUnchanged: ++report_.unchanged; continue;
                case Kind::kSkipped: problems_[file.path] = file.reason; break;
            }
            report_.files.push_back(std::move(file));
        }
    }

    Status drop_gone(const MayDrop& may_drop) {
        std::vector<DocumentInfo> gone;
        size_t all = 0;
        for (const DocumentInfo& document : documents_) {
            const auto known = state_.files.find(document.source);
            const bool linked = known != state_.files.end() && among_roots(known->second.folder) &&
                                !is_below(document.source, roots_);
            if (!linked && !is_below(document.source, roots_)) continue;
            ++all;
            if (found_.contains(document.source)) continue;
            // What is there and was not found lies in a folder that could not be listed.
            if (document.missing || linked || ignored_.contains(document.source)) {
                gone.push_back(document);
            }
        }
        if (!gone.empty() && !may_drop(gone, all)) {
            report_.kept = std::move(gone);
            return {};
        }
        if (!gone.empty()) S3ATTN_CHECK(target_.remove(gone));
        report_.dropped = std::move(gone);
        std::erase_if(state_.files, [&](const auto& entry) {
            return among_roots(entry.second.folder) && !found_.contains(entry.first);
        });
        return {};
    }

    bool among_roots(const std::string& folder) const {
        return std::find(roots_.begin(), roots_.end(), folder) != roots_.end();
    }

    const SyncOptions& options_;
    SyncTarget& target_;
    const CancelToken& cancel_;
    SyncReport report_;
    SyncState state_;
    InputList inputs_;
    std::vector<std::string> roots_;  // canonical
    std::unordered_map<std::string, std::string> folders_;
    std::set<std::string> found_, ignored_;  // canonical paths
    std::vector<DocumentInfo> documents_;
    std::unordered_map<std::string, const DocumentInfo*> by_source_;
    std::vector<std::pair<std::string, std::string>> changed_;  // path and canonical path
    std::map<std::string, std::string> problems_;               // by path
};

}  // namespace

Result<SyncReport> sync_folders(const SyncOptions& options, SyncTarget& target,
                                const MayDrop& may_drop, const CancelToken& cancel) {
    return FolderSync(options, target, cancel).run(may_drop);
}

}  // namespace s3attn::apps
