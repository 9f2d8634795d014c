#include "served_folders.h"

#include <cstdio>
#include <filesystem>
#include <utility>

#include "base/guarded.h"
#include "sync/folder_watch.h"

namespace s3attn::cli {
namespace {

class JobTarget final : public apps::SyncTarget {
  public:
    JobTarget(server::Service& service, const CancelToken& cancel)
        : jobs_(service.documents().jobs()), store_(service.stores()[0]), cancel_(cancel) {}

    Result<IndexReport> index(const std::vector<std::string>& files) override {
        IndexReport report;
        for (const std::string& file : files) {
            if (cancel_.cancelled()) break;
            std::error_code error;
            const std::string whole = std::filesystem::absolute(file, error).string();
            const auto job = jobs_.submit({store_.name, store_.path, whole, whole, nullptr}, true);
            if (!job) break;  // the server ends
            server::ScanStatus status = *job;
            while (!status.ended()) {
                const auto now = jobs_.wait(status.id, status.version, 500);
                if (!now) break;
                status = *now;
                if (cancel_.cancelled()) jobs_.cancel(status.id);
            }
            report.tokens += status.tokens;
            report.files.push_back(outcome_of(file, status));
        }
        report.cancelled = cancel_.cancelled();
        return report;
    }

    Status remove(const std::vector<DocumentInfo>& documents) override {
        for (const DocumentInfo& document : documents) {
            const auto removed = jobs_.remove(store_.path, document.doc_id);
            if (!removed.ok() && removed.error().code != ErrorCode::kNotFound) {
                return removed.error();
            }
        }
        return {};
    }

  private:
    static FileOutcome outcome_of(const std::string& file, const server::ScanStatus& status) {
        using Kind = FileOutcome::Kind;
        FileOutcome outcome;
        outcome.path = file;
        outcome.kind = status.outcome == "replaced"    ? Kind::kReplaced
                       : status.outcome == "unchanged" ? Kind::kUnchanged
                       : status.outcome == "resumed"   ? Kind::kResumed
                       : status.outcome == "renamed"   ? Kind::kRenamed
                                                       : Kind::kIndexed;
        if (status.state != server::ScanStatus::State::kDone) {
            outcome.kind = Kind::kSkipped;
            outcome.reason = status.error.empty() ? "it was cancelled" : status.error;
        }
        return outcome;
    }

    server::ScanJobs& jobs_;
    const server::NamedStore& store_;
    const CancelToken& cancel_;
};

void tell(const apps::SyncReport& report) {
    std::fprintf(stderr,
                 "watch: %llu added, %llu replaced, %llu renamed, %zu dropped, %llu unchanged\n",
                 static_cast<unsigned long long>(report.added + report.resumed),
                 static_cast<unsigned long long>(report.replaced),
                 static_cast<unsigned long long>(report.renamed), report.dropped.size(),
                 static_cast<unsigned long long>(report.unchanged));
    for (const FileOutcome& file : report.files) {
        if (file.kind != FileOutcome::Kind::kSkipped) continue;
        std::fprintf(stderr, "skipped: %s: %s\n", file.path.c_str(), file.reason.c_str());
    }
    for (const ReadNote& note : report.notes) std::fprintf(stderr, "%s\n", note.text().c_str());
    if (report.kept.empty()) return;
    std::fprintf(stderr, "kept %zu documents, all that the folders had: %s\n", report.kept.size(),
                 "s3attn sync --yes drops them");
}

}  // namespace

ServedFolders::ServedFolders(server::Service& service, std::vector<std::string> folders, bool quiet)
    : service_(service), folders_(std::move(folders)), quiet_(quiet) {
    if (!folders_.empty()) thread_ = std::thread([this] { run(); });
}

ServedFolders::~ServedFolders() {
    cancel_.cancel();
    if (thread_.joinable()) thread_.join();
}

void ServedFolders::run() {
    JobTarget target(service_, cancel_);
    apps::SyncOptions options;
    options.store = service_.stores()[0].path;
    options.folders = folders_;
    apps::KeepInStep how;
    how.may_drop = [](const std::vector<DocumentInfo>& gone, size_t all) {
        return gone.size() < all;
    };
    how.on_limit = [this](const std::string& limit) {
        if (quiet_) return;
        std::fprintf(stderr, "note: %s: the folders are looked through every minute\n",
                     limit.c_str());
    };
    how.on_run = [this](const Result<apps::SyncReport>& report, bool first) {
        if (!report.ok()) std::fprintf(stderr, "watch: %s\n", report.error().message.c_str());
        if (report.ok() && !quiet_ && (first || report->changed())) tell(*report);
        return true;
    };
    const Status ended = guarded([&] { return apps::keep_in_step(options, how, target, cancel_); });
    if (!ended.ok()) std::fprintf(stderr, "watch ended: %s\n", ended.error().message.c_str());
}

}  // namespace s3attn::cli
