// `s3attn sync`: a store kept in step with folders.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <iostream>

#include "commands.h"
#include "output.h"
#include "progress_bar.h"
#include "sync/folder_sync.h"
#include "sync/folder_watch.h"

namespace s3attn::cli {
namespace {

struct SyncArguments {
    apps::SyncOptions sync;
    IndexOptions index;
    bool no_ignore = false, yes = false, watch = false;
    double quiet_seconds = 2;
};

// The engine and the store, opened when there is something to write.
class StoreTarget final : public apps::SyncTarget {
  public:
    StoreTarget(const SyncArguments& arguments, const GlobalOptions& options,
                const CancelToken& cancel)
        : arguments_(arguments), options_(options), cancel_(cancel) {}

    Result<IndexReport> index(const std::vector<std::string>& files) override {
        if (!engine_) {
            S3ATTN_TRY(engine_, open_engine(options_.engine));
        }
        S3ATTN_TRY(Store store, Store::open(arguments_.sync.store, Store::Access::kCreate));
        ConsoleProgress progress(options_.quiet);
        auto report = engine_->index(store, files, arguments_.index, progress, cancel_);
        progress.finish();
        return report;
    }

    Status remove(const std::vector<DocumentInfo>& documents) override {
        S3ATTN_TRY(Store store, Store::open(arguments_.sync.store, Store::Access::kWrite));
        std::vector<DocumentId> ids;
        for (const DocumentInfo& document : documents) ids.push_back(document.doc_id);
        S3ATTN_TRY([[maybe_unused]] const auto removed, store.remove(ids));
        return {};
    }

  private:
    const SyncArguments& arguments_;
    const GlobalOptions& options_;
    const CancelToken& cancel_;
    std::unique_ptr<Engine> engine_;
};

// More than half is asked about where there is somebody to ask. Where there is nobody, all that a
// folder had does not go by itself: it may be a disk that is not there.
bool may_drop(const std::vector<DocumentInfo>& gone, size_t all, const SyncArguments& arguments) {
    if (arguments.yes || gone.size() * 2 <= all) return true;
    if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDERR_FILENO) == 0) return gone.size() < all;
    std::fprintf(stderr, "%zu of %zu documents are gone, such as %s\ndrop them? [y/N] ",
                 gone.size(), all, gone.front().path.c_str());
    std::string answer;
    return std::getline(std::cin, answer) && (answer == "y" || answer == "Y" || answer == "yes");
}

const char* kind_name(FileOutcome::Kind kind) {
    switch (kind) {
        case FileOutcome::Kind::kIndexed: return "added";
        case FileOutcome::Kind::kReplaced: return "replaced";
        case FileOutcome::Kind::kResumed: return "resumed";
        case FileOutcome::Kind::kRenamed: return "renamed";
        case FileOutcome::Kind::kUnchanged: return "unchanged";
        case FileOutcome::Kind::kSkipped: break;
    }
    return "skipped";
}

uint64_t skipped_of(const apps::SyncReport& report) {
    return static_cast<uint64_t>(std::count_if(
        report.files.begin(), report.files.end(),
        [](const FileOutcome& file) { return file.kind == FileOutcome::Kind::kSkipped; }));
}

Json note_json(const ReadNote& note) {
    return {{"place", note.place}, {"count", note.count}, {"message", note.message}};
}

Json sync_json(const apps::SyncReport& report) {
    Json json = {{"added", report.added},
                 {"replaced", report.replaced},
                 {"renamed", report.renamed},
                 {"resumed", report.resumed},
                 {"dropped", report.dropped.size()},
                 {"unchanged", report.unchanged},
                 {"skipped", skipped_of(report)},
                 {"ignored", report.ignored},
                 {"kept", report.kept.size()},
                 {"tokens", report.tokens},
                 {"seconds", report.seconds},
                 {"cancelled", report.cancelled}};
    json["files"] = Json::array();
    for (const FileOutcome& file : report.files) {
        Json each = {{"path", file.path}, {"outcome", kind_name(file.kind)}};
        if (!file.reason.empty()) each["reason"] = file.reason;
        if (!file.renamed_from.empty()) each["renamed_from"] = file.renamed_from;
        for (const ReadNote& note : file.notes) each["notes"].push_back(note_json(note));
        json["files"].push_back(std::move(each));
    }
    for (const auto& [name, documents] :
         {std::pair{"dropped_documents", &report.dropped}, {"kept_documents", &report.kept}}) {
        json[name] = Json::array();
        for (const DocumentInfo& document : *documents) {
            json[name].push_back({{"doc_id", document.doc_id.value}, {"path", document.path}});
        }
    }
    json["notes"] = Json::array();
    for (const ReadNote& note : report.notes) json["notes"].push_back(note_json(note));
    json["passed_over"] = report.passed_over;
    return json;
}

// What is not in the store, or only in part. True: there is something of that kind.
bool name_problems(const apps::SyncReport& report) {
    constexpr size_t kMostNamed = 50;
    size_t named = 0;
    const auto tell = [&](const char* what, const std::string& path, const std::string& why) {
        if (++named <= kMostNamed) {
            std::fprintf(stderr, "%s: %s: %s\n", what, path.c_str(), why.c_str());
        }
    };
    for (const FileOutcome& file : report.files) {
        if (file.kind == FileOutcome::Kind::kSkipped) tell("skipped", file.path, file.reason);
        for (const ReadNote& note : file.notes) {
            if (note.kind == ReadNote::Kind::kUnread) tell("not read", file.path, note.text());
        }
    }
    if (named > kMostNamed) {
        std::fprintf(stderr, "and %zu more; --json names them all\n", named - kMostNamed);
    }
    bool unread = named > 0;
    for (const ReadNote& note : report.notes) {
        unread = unread || note.kind == ReadNote::Kind::kUnread;
        std::fprintf(stderr, "%s\n", note.text().c_str());
    }
    if (!report.kept.empty()) {
        std::fprintf(stderr,
                     "kept %zu documents whose files are gone, such as %s: --yes drops them\n",
                     report.kept.size(), report.kept.front().path.c_str());
    }
    return unread;
}

void print_summary(const apps::SyncReport& report) {
    std::string line;
    const auto add = [&](uint64_t count, const char* what) {
        if (count == 0) return;
        line += fmt::format("{}{} {}", line.empty() ? "" : ", ", group_digits(count), what);
    };
    add(report.added, "added");
    add(report.replaced, "replaced");
    add(report.resumed, "resumed");
    add(report.renamed, "renamed");
    add(report.dropped.size(), "dropped");
    add(report.unchanged, "unchanged");
    add(skipped_of(report), "skipped");
    add(report.ignored, "ignored");
    add(report.kept.size(), "gone but kept");
    if (line.empty()) line = "no documents";
    std::printf("%s: %s tokens in %.1f s\n", line.c_str(), group_digits(report.tokens).c_str(),
                report.seconds);
    std::fflush(stdout);
}

int show(const apps::SyncReport& report, const GlobalOptions& options, bool one_line) {
    const bool failed = name_problems(report);
    if (options.json) {
        std::printf("%s\n", dump(sync_json(report), one_line ? -1 : 2).c_str());
        std::fflush(stdout);
    } else {
        print_summary(report);
    }
    if (report.cancelled) {
        std::fprintf(stderr, "interrupted: what was read is kept; the same command goes on\n");
    }
    return failed || report.cancelled ? 1 : 0;
}

int run_sync(SyncArguments& arguments, const GlobalOptions& options, const CancelToken& cancel) {
    arguments.sync.follow_ignore_files = !arguments.no_ignore;
    StoreTarget target(arguments, options, cancel);
    const auto allowed = [&](const std::vector<DocumentInfo>& gone, size_t all) {
        return may_drop(gone, all, arguments);
    };
    if (!arguments.watch) {
        const auto report = apps::sync_folders(arguments.sync, target, allowed, cancel);
        return report.ok() ? show(*report, options, false) : fail(report.error());
    }
    apps::KeepInStep how;
    how.quiet = std::chrono::milliseconds(static_cast<int64_t>(arguments.quiet_seconds * 1000));
    how.may_drop = allowed;
    how.on_limit = [&options](const std::string& limit) {
        if (options.quiet) return;
        std::fprintf(stderr, "note: %s: the folders are looked through every minute\n",
                     limit.c_str());
    };
    bool begun = true;
    how.on_run = [&](const Result<apps::SyncReport>& report, bool first) {
        if (report.ok() && (first || report->changed())) show(*report, options, true);
        // Later, a folder that is away for a while or a store that another writes is waited for.
        if (!report.ok()) fail(report.error());
        begun = report.ok() || !first;
        return begun;
    };
    const Status ended = apps::keep_in_step(arguments.sync, how, target, cancel);
    if (!ended.ok()) return fail(ended.error());
    return begun ? 0 : 1;
}

}  // namespace

void add_sync_command(Context& context) {
    auto arguments = std::make_shared<SyncArguments>();
    CLI::App* command = add_command(
        context, "sync", "Bring a store to what folders hold: add, replace, rename, drop",
        "Reads what is new or changed, keeps what was only moved, and drops what is gone or is\n"
        "ignored by git (.gitignore). Files that did not change are not opened. On a terminal\n"
        "it asks before more than half of the documents go.\n\n"
        "Example: s3attn sync notes.s3 ~/notes\n"
        "         s3attn sync notes.s3 ~/notes --watch       again whenever something changes");
    command->add_option("store", arguments->sync.store, "directory of the store (made if absent)")
        ->required();
    command->add_option("folders", arguments->sync.folders, "folders that it holds")->required();
    command->add_flag("--no-ignore", arguments->no_ignore,
                      "read what .gitignore files leave out as well");
    command->add_flag("-y,--yes", arguments->yes, "drop what is gone without asking");
    command->add_flag("--watch", arguments->watch,
                      "go on until Ctrl-C: again when something has changed and all is quiet");
    command
        ->add_option("--quiet-seconds", arguments->quiet_seconds,
                     "with --watch: how long nothing may have changed before it reads")
        ->check(CLI::Range(0.1, 3600.0))
        ->capture_default_str()
        ->type_name("SECONDS");
    command->callback([arguments, &context] {
        context.run = [arguments, &context] {
            return run_sync(*arguments, context.options, context.cancel);
        };
    });
}

}  // namespace s3attn::cli
