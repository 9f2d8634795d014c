// Whatever becomes of a document on its way into a store: files of the client's own stay as they
// are, byte for byte, and a job that does not succeed leaves what stood before it.
#include "scan_jobs.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <sstream>

namespace s3attn::server {
namespace {

namespace fs = std::filesystem;
using State = ScanStatus::State;

std::string content(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

void write(const fs::path& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
}

// A store in memory: a scan commits a part at once, and ends when the test says how.
class FakeWork final : public ScanWork {
  public:
    enum class End { kRead, kSkip, kFail };

    Result<IndexReport> scan(const ScanRequest& request, ProgressSink& sink,
                             const CancelToken& cancel) override {
        sink.update({"scan", request.file, 1, 2, "bytes", 0});
        std::unique_lock lock(mutex_);
        parts_[request.file] = content(request.file);
        started_.push_back(request.file);
        IndexReport report;
        changed_.notify_all();
        while (!end_.has_value()) {
            if (cancel.cancelled()) {
                if (cancelled_early) return make_error(ErrorCode::kCancelled, "interrupted");
                report.cancelled = true;
                return report;
            }
            changed_.wait_for(lock, std::chrono::milliseconds(1));
        }
        const End end = *std::exchange(end_, std::nullopt);
        if (end == End::kFail) return make_error(ErrorCode::kIo, "the disk is full");
        FileOutcome outcome;
        outcome.path = request.file;
        if (end == End::kSkip) {
            outcome.kind = FileOutcome::Kind::kSkipped;
            outcome.reason = "the document has no text";
        } else {
            documents_[request.file] = parts_[request.file];
        }
        parts_.erase(request.file);
        report.files.push_back(outcome);
        return report;
    }
    bool has_part(const ScanRequest& request) override {
        const std::lock_guard lock(mutex_);
        return parts_.contains(request.file);
    }
    Status drop_part(const ScanRequest& request) override {
        if (on_store_work) on_store_work();
        const std::lock_guard lock(mutex_);
        parts_.erase(request.file);
        return {};
    }
    Result<DocumentInfo> remove(const std::string&, DocumentId) override {
        if (on_store_work) on_store_work();
        const std::lock_guard lock(mutex_);
        DocumentInfo info;
        info.path = removed_path;
        info.complete = documents_.erase(removed_path) > 0;
        if (!info.complete) parts_.erase(removed_path);
        return info;
    }

    // Waits until the scanner is at `file`.
    void wait_for(const std::string& file) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return !started_.empty() && started_.back() == file; });
    }
    void end_with(End end) {
        const std::lock_guard lock(mutex_);
        end_ = end;
        changed_.notify_all();
    }
    std::map<std::string, std::string> documents() {
        const std::lock_guard lock(mutex_);
        return documents_;
    }
    std::map<std::string, std::string> parts() {
        const std::lock_guard lock(mutex_);
        return parts_;
    }
    void forget_started() {
        const std::lock_guard lock(mutex_);
        started_.clear();
    }
    void put_part(const std::string& path) { parts_[path] = "a part"; }

    std::function<void()> on_store_work;
    bool cancelled_early = false;  // as while the model is loaded
    std::string removed_path;

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::string> started_;
    std::optional<End> end_;
    std::map<std::string, std::string> documents_, parts_;  // path -> text
};

class Jobs : public ::testing::Test {
  protected:
    Jobs() {
        std::string folder = ::testing::TempDir() + "/scan_jobs_XXXXXX";
        directory_ = ::mkdtemp(folder.data());
        store_ = directory_ / "notes.s3";
        uploads_ = store_ / kUploadsFolder;
        restart();
    }
    ~Jobs() override {
        jobs_.reset();
        fs::remove_all(directory_);
    }
    void restart() {
        jobs_.reset();
        auto work = std::make_unique<FakeWork>();
        work_ = work.get();
        jobs_ = std::make_unique<ScanJobs>(std::move(work), 2, [](uint64_t) {});
    }

    std::string own_file(const std::string& name) {
        write(directory_ / name, "the user's own " + name);
        return (directory_ / name).string();
    }
    ScanRequest own(const std::string& file) {
        return {"notes", store_.string(), fs::path(file).filename().string(), file, nullptr};
    }
    ScanRequest upload(const std::string& name, const std::string& text) {
        auto incoming = IncomingFile::create(uploads_.string());
        EXPECT_TRUE(incoming.ok());
        EXPECT_TRUE((*incoming)->write(text).ok());
        auto file = (*incoming)->keep(name);
        EXPECT_TRUE(file.ok());
        return {"notes", store_.string(), name, (*file)->path(), *file};
    }
    uint64_t submit(const ScanRequest& request) { return jobs_->submit(request)->id; }
    uint64_t start(const ScanRequest& request) {
        work_->forget_started();
        const uint64_t id = submit(request);
        work_->wait_for(request.file);
        return id;
    }
    ScanStatus ended(uint64_t id) {
        auto status = jobs_->status(id);
        while (!status->ended()) status = jobs_->wait(id, status->version, 1000);
        return *status;
    }
    ScanStatus end_with(uint64_t id, FakeWork::End end) {
        work_->end_with(end);
        return ended(id);
    }
    std::string uploaded(const std::string& name) { return content(uploads_ / name); }
    // Nothing is left of uploads but documents' files.
    std::vector<std::string> in_uploads() {
        std::vector<std::string> names;
        for (const auto& entry : fs::directory_iterator(uploads_)) {
            names.push_back(entry.path().filename().string());
        }
        std::sort(names.begin(), names.end());
        return names;
    }

    fs::path directory_, store_, uploads_;
    FakeWork* work_ = nullptr;
    std::unique_ptr<ScanJobs> jobs_;
};

TEST_F(Jobs, FileOfTheClientsOwnIsUntouchedWhateverHappens) {
    const std::string file = own_file("scan.pdf"), busy = own_file("busy.txt");
    const std::string before = content(file);
    for (const auto& [end, state] : {std::pair(FakeWork::End::kRead, State::kDone),
                                     std::pair(FakeWork::End::kSkip, State::kFailed),
                                     std::pair(FakeWork::End::kFail, State::kFailed),
                                     std::pair(FakeWork::End::kRead, State::kDone)}) {
        EXPECT_EQ(end_with(start(own(file)), end).state, state);
        EXPECT_EQ(content(file), before);
    }
    // Cancelled while it runs, and while it waits; removed from the store; no room for it.
    uint64_t id = start(own(file));
    EXPECT_TRUE(jobs_->cancel(id));
    EXPECT_EQ(ended(id).state, State::kCancelled);
    EXPECT_EQ(content(file), before);
    const uint64_t first = start(own(busy));
    id = submit(own(file));
    EXPECT_TRUE(jobs_->cancel(id));
    EXPECT_EQ(ended(id).state, State::kCancelled);
    EXPECT_EQ(content(file), before);
    submit(own(file));
    submit(own(file));
    EXPECT_FALSE(jobs_->submit(own(file)).has_value());
    EXPECT_EQ(content(file), before);
    work_->removed_path = file;
    EXPECT_TRUE(jobs_->remove(store_.string(), DocumentId(1)).ok());
    EXPECT_EQ(content(file), before);
    EXPECT_TRUE(jobs_->cancel(first));
    jobs_->stop();  // with jobs that wait and one that runs
    EXPECT_EQ(content(file), before);
    EXPECT_EQ(content(busy), "the user's own busy.txt");
}

TEST_F(Jobs, WhatFailsLeavesTheEarlierVersion) {
    EXPECT_EQ(end_with(start(upload("a.txt", "one")), FakeWork::End::kRead).state, State::kDone);
    const auto before = work_->documents();
    for (const auto end : {FakeWork::End::kSkip, FakeWork::End::kFail}) {
        EXPECT_EQ(end_with(start(upload("a.txt", "two")), end).state, State::kFailed);
        EXPECT_EQ(uploaded("a.txt"), "one");
        EXPECT_EQ(work_->documents(), before);
        EXPECT_TRUE(work_->parts().empty());
    }
    const uint64_t id = start(upload("a.txt", "three"));
    EXPECT_EQ(uploaded("a.txt"), "three");
    EXPECT_TRUE(jobs_->cancel(id));
    EXPECT_EQ(ended(id).state, State::kCancelled);
    EXPECT_EQ(uploaded("a.txt"), "one");
    EXPECT_EQ(work_->documents(), before);
    EXPECT_TRUE(work_->parts().empty());
    EXPECT_EQ(in_uploads(), (std::vector<std::string>{"a.txt"}));
    EXPECT_EQ(end_with(start(upload("a.txt", "four")), FakeWork::End::kRead).state, State::kDone);
    EXPECT_EQ(uploaded("a.txt"), "four");
    EXPECT_EQ(in_uploads(), (std::vector<std::string>{"a.txt"}));
}

TEST_F(Jobs, JobsOfOneNameShareNothing) {
    const uint64_t first = start(upload("a.txt", "one"));
    const uint64_t second = submit(upload("a.txt", "two"));
    EXPECT_TRUE(jobs_->cancel(first));
    EXPECT_EQ(ended(first).state, State::kCancelled);
    EXPECT_EQ(end_with(second, FakeWork::End::kRead).state, State::kDone);
    EXPECT_EQ(uploaded("a.txt"), "two");
    EXPECT_EQ(work_->documents()[(uploads_ / "a.txt").string()], "two");
    // The other way round: one that waits is cancelled, the one that runs is not.
    const uint64_t third = start(upload("a.txt", "three"));
    const uint64_t fourth = submit(upload("a.txt", "four"));
    EXPECT_TRUE(jobs_->cancel(fourth));
    EXPECT_EQ(jobs_->status(fourth)->state, State::kCancelled);
    EXPECT_EQ(end_with(third, FakeWork::End::kRead).state, State::kDone);
    EXPECT_EQ(uploaded("a.txt"), "three");
    EXPECT_EQ(in_uploads(), (std::vector<std::string>{"a.txt"}));
}

TEST_F(Jobs, CancellingOneThatSteppedAsideDropsItsPart) {
    const uint64_t id = start(upload("a.txt", "one"));
    // It steps aside for a removal, which looks at the queue: no lock is held meanwhile.
    std::promise<void> removing;
    std::promise<void> go_on;
    work_->on_store_work = [&] {
        removing.set_value();
        go_on.get_future().wait();
        work_->on_store_work = nullptr;
    };
    auto removed =
        std::async(std::launch::async, [&] { return jobs_->remove("x", DocumentId(7)).ok(); });
    removing.get_future().wait();
    EXPECT_EQ(jobs_->waiting(), 1u);
    EXPECT_TRUE(jobs_->cancel(id));
    EXPECT_FALSE(work_->parts().empty());
    go_on.set_value();
    EXPECT_TRUE(removed.get());
    EXPECT_EQ(ended(id).state, State::kCancelled);
    EXPECT_TRUE(work_->parts().empty());
    EXPECT_TRUE(in_uploads().empty());
}

// A token that fires before the scan began is no failure either.
TEST_F(Jobs, SteppingAsideEarlyIsNoFailure) {
    work_->cancelled_early = true;
    uint64_t id = start(upload("a.txt", "one"));
    work_->forget_started();
    EXPECT_TRUE(jobs_->remove("x", DocumentId(7)).ok());
    work_->wait_for((uploads_ / "a.txt").string());
    EXPECT_EQ(end_with(id, FakeWork::End::kRead).state, State::kDone);
    EXPECT_EQ(uploaded("a.txt"), "one");
    id = start(upload("b.txt", "two"));
    EXPECT_TRUE(jobs_->cancel(id));
    EXPECT_EQ(ended(id).state, State::kCancelled);
    start(upload("c.txt", "three"));
    jobs_->stop();
    EXPECT_EQ(uploaded("c.txt"), "three");  // for the next start
}

TEST_F(Jobs, NoStoreWorkHoldsTheQueue) {
    int asked = 0;
    work_->on_store_work = [&] {
        // From another thread, as a request for /healthz or /metrics would come.
        std::async(std::launch::async, [&] {
            jobs_->running();
            jobs_->waiting();
            jobs_->all();
            ++asked;
        }).get();
    };
    const uint64_t id = start(upload("a.txt", "one"));
    EXPECT_TRUE(jobs_->cancel(id));
    ended(id);
    EXPECT_EQ(asked, 1);
    EXPECT_TRUE(jobs_->remove("x", DocumentId(7)).ok());
    EXPECT_EQ(asked, 2);
}

TEST_F(Jobs, PartThatStoodBeforeTheJobStays) {
    const std::string file = own_file("book.txt");
    work_->put_part(file);
    const uint64_t id = start(own(file));
    EXPECT_TRUE(jobs_->cancel(id));
    EXPECT_EQ(ended(id).state, State::kCancelled);
    EXPECT_EQ(work_->parts().size(), 1u);
}

TEST_F(Jobs, RemovingTheEarlierVersionLetsTheNewOneGoOn) {
    const std::string path = (uploads_ / "a.txt").string();
    EXPECT_EQ(end_with(start(upload("a.txt", "one")), FakeWork::End::kRead).state, State::kDone);
    const uint64_t id = start(upload("a.txt", "two"));
    work_->removed_path = path;
    work_->forget_started();
    EXPECT_TRUE(jobs_->remove(store_.string(), DocumentId(1)).ok());
    EXPECT_EQ(uploaded("a.txt"), "two");
    EXPECT_TRUE(jobs_->cancel(id));
    EXPECT_EQ(ended(id).state, State::kCancelled);
    EXPECT_TRUE(in_uploads().empty());  // the earlier version is not brought back
}

TEST_F(Jobs, RemovingADocumentTakesItsUploadedFileAlong) {
    EXPECT_EQ(end_with(start(upload("a.txt", "one")), FakeWork::End::kRead).state, State::kDone);
    work_->removed_path = (uploads_ / "a.txt").string();
    EXPECT_TRUE(jobs_->remove(store_.string(), DocumentId(1)).ok());
    EXPECT_TRUE(in_uploads().empty());
}

// Ends as by kill -9: the folder is what the next start has.
TEST_F(Jobs, WhatWaitsAndWhatRunsGoOnAtTheNextStart) {
    start(upload("b.txt", "running"));
    submit(upload("a.txt", "waiting"));
    submit(upload("a.txt", "waiting too"));
    restart();
    const auto left = unfinished_uploads(uploads_.string(), store_.string());
    ASSERT_EQ(left.size(), 3u);
    EXPECT_EQ(left[0]->name(), "b.txt");
    EXPECT_TRUE(left[0]->in_place());
    EXPECT_EQ(content(left[0]->path()), "running");
    EXPECT_FALSE(left[1]->in_place());
    EXPECT_TRUE(left[1]->take_place().ok());
    EXPECT_EQ(uploaded("a.txt"), "waiting");
    EXPECT_TRUE(left[2]->take_place().ok());
    EXPECT_EQ(uploaded("a.txt"), "waiting too");
    left[2]->withdraw();
    EXPECT_EQ(uploaded("a.txt"), "waiting");
    left[1]->withdraw();
    left[0]->withdraw();
    EXPECT_TRUE(in_uploads().empty());
}

TEST_F(Jobs, InterruptedReplacementKeepsItsEarlierVersion) {
    EXPECT_EQ(end_with(start(upload("a.txt", "one")), FakeWork::End::kRead).state, State::kDone);
    start(upload("a.txt", "two"));
    restart();
    const auto left = unfinished_uploads(uploads_.string(), store_.string());
    ASSERT_EQ(left.size(), 1u);
    EXPECT_TRUE(left[0]->in_place());
    EXPECT_EQ(content(left[0]->path()), "two");
    left[0]->withdraw();
    EXPECT_EQ(uploaded("a.txt"), "one");
}

TEST_F(Jobs, NamesOf255Bytes) {
    ASSERT_EQ(problem_of_name(std::string(255, 'x')), "");
    EXPECT_EQ(end_with(start(upload(std::string(255, 'x'), "long")), FakeWork::End::kRead).state,
              State::kDone);
    EXPECT_EQ(uploaded(std::string(255, 'x')), "long");
    const std::string problem = problem_of_name(std::string(256, 'x'));
    EXPECT_NE(problem.find("256 bytes"), std::string::npos);
    EXPECT_LT(problem.size(), 160u);
}

}  // namespace
}  // namespace s3attn::server
