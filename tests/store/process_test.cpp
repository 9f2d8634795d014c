// Real processes on one store: readers beside a writer, two writers, kill -9, calls that fail.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "store/layout.h"
#include "worker_documents.h"
#include "worker_process.h"

namespace s3attn {
namespace {

namespace fs = std::filesystem;
using namespace store_test;

// A base store, what each operation makes of it, and how to do it.
class Process : public testing::Test {
  protected:
    struct Operation {
        std::string name;
        std::vector<std::string> arguments;  // of the worker
        Content before, after;               // of the store it changes
    };

    void SetUp() override {
        ASSERT_EQ(run_worker({"index", base_, "1"}), 0);
        for (const char* part : {"p", "q"}) {
            const auto writer = open_writer(directory_ / part);
            for (uint32_t i = 0; i < 4; ++i) {
                index_document(*writer, {part + std::to_string(i), "1", 4, 12}, 2);
            }
        }
        ASSERT_OK(export_store(base_, directory_ / "base.s3x"));
    }

    // The store that operations work on, as it was.
    void reset() const {
        fs::remove_all(store_);
        fs::copy(base_, store_, fs::copy_options::recursive);
    }

    Operation prepare(const std::string& name) const {
        Operation operation{name, {name, store_}, content_of(base_), {}};
        if (name == "index") operation.arguments.push_back("2");
        if (name == "merge") {
            operation.arguments.insert(operation.arguments.end(),
                                       {directory_ / "p", directory_ / "q"});
        }
        if (name == "remove") {
            operation.arguments.insert(operation.arguments.end(),
                                       {"d1", "d2", "d3", "d4", "d5", "d6", "d8"});
        }
        reset();
        EXPECT_EQ(run_worker(operation.arguments), 0) << name;
        operation.after = content_of(store_);
        EXPECT_NE(operation.after.texts, operation.before.texts);
        return operation;
    }

    // Whatever happened to the operation: clean, and every document is as before or as after it.
    void expect_whole(const Operation& operation, const std::string& what) const {
        const auto verified = verify_store(store_);
        ASSERT_TRUE(verified.ok()) << what << ": " << verified.error().message;
        EXPECT_EQ(files_in(store_, ".seg").size(), open_reader(store_)->segments().size())
            << what << ": orphans stay";
        EXPECT_TRUE(files_in(store_, ".tmp").empty()) << what;
        const Content now = content_of(store_);
        for (const auto& [path, text] : operation.before.texts) {
            const auto after = operation.after.texts.find(path);
            const auto there = now.texts.find(path);
            if (there == now.texts.end()) {
                EXPECT_TRUE(after == operation.after.texts.end()) << what << " lost " << path;
                continue;
            }
            const bool same_postings = now.postings.at(path) == operation.before.postings.at(path);
            if (operation.name != "index" || there->second == text) {
                EXPECT_TRUE(same_postings) << what << ": " << path;
            }
        }
    }

    void expect_repeats(const Operation& operation, const std::string& what) const {
        ASSERT_EQ(run_worker(operation.arguments), 0) << what;
        EXPECT_EQ(content_of(store_), operation.after) << what;
        EXPECT_OK(verify_store(store_));
    }

    // How many calls an undisturbed run makes.
    int count_calls(const std::vector<std::string>& arguments) const {
        const std::string count = directory_ / "count";
        WorkerOptions options;
        options.environment = {"LD_PRELOAD=" S3ATTN_FAILING_IO, "S3ATTN_FAIL_COUNT=" + count};
        EXPECT_EQ(run_worker(arguments, options), 0);
        const int calls = std::atoi(read_all(count).c_str());
        EXPECT_GT(calls, 5);
        return calls;
    }

    // Every call with S3ATTN_TEST_FAULTS=all, else about thirty of them.
    static int step_for(int calls) {
        const char* text = std::getenv("S3ATTN_TEST_FAULTS");
        return text != nullptr && std::string(text) == "all" ? 1 : std::max(1, calls / 30);
    }

    TemporaryDirectory directory_;
    std::string base_ = directory_ / "base", store_ = directory_ / "s";
};

int number_of(const char* variable, int fallback) {
    const char* text = std::getenv(variable);
    return text != nullptr ? std::max(1, std::atoi(text)) : fallback;
}

// S3ATTN_TEST_KILLS: of each of the three operations.
TEST_F(Process, KilledAtRandomMoments) {
    std::mt19937 random(std::random_device{}());
    for (const char* name : {"index", "merge", "remove"}) {
        const Operation operation = prepare(name);
        reset();
        const auto start = std::chrono::steady_clock::now();
        ASSERT_EQ(run_worker(operation.arguments), 0);
        const auto whole_us = std::chrono::duration_cast<std::chrono::microseconds>(
                                  std::chrono::steady_clock::now() - start)
                                  .count();
        int killed = 0, runs = 0;
        reset();
        for (const int wanted = number_of("S3ATTN_TEST_KILLS", 20); killed < wanted; ++runs) {
            ASSERT_LT(runs, 50 * wanted) << name << " ends too soon to be killed";
            std::ofstream(store_ + "/precious.txt") << "mine";
            std::ofstream(store_ + "/segment-1.seg") << "mine too";
            const pid_t child = start_worker(operation.arguments);
            std::this_thread::sleep_for(
                std::chrono::microseconds(random() % static_cast<uint64_t>(whole_us + 1)));
            ::kill(child, SIGKILL);
            const int code = wait_for(child);
            ASSERT_TRUE(code == 0 || code == 128 + SIGKILL) << name << " ended with " << code;
            killed += code != 0;
            const std::string what = std::string(name) + ", kill " + std::to_string(killed);
            EXPECT_EQ(read_all(store_ + "/precious.txt"), "mine") << what;
            EXPECT_EQ(read_all(store_ + "/segment-1.seg"), "mine too") << what;
            fs::remove(store_ + "/segment-1.seg");
            expect_whole(operation, what);
            if (HasFatalFailure()) return;
            if (code == 0) {
                EXPECT_EQ(content_of(store_), operation.after) << what;
                reset();
            }
        }
        fs::remove(store_ + "/precious.txt");
        expect_repeats(operation, name);
        std::printf("%s: killed %d times in %d runs\n", name, killed, runs);
    }
}

TEST_F(Process, AnImportThatIsKilledLeavesNoStore) {
    std::mt19937 random(std::random_device{}());
    for (int i = 0; i < number_of("S3ATTN_TEST_KILLS", 20); ++i) {
        const std::string store = directory_ / "imported";
        const pid_t child = start_worker({"import", directory_ / "base.s3x", store});
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 20000));
        ::kill(child, SIGKILL);
        wait_for(child);
        if (!fs::exists(store)) continue;
        EXPECT_EQ(content_of(store), content_of(base_));
        fs::remove_all(store);
    }
    ASSERT_EQ(run_worker({"import", directory_ / "base.s3x", directory_ / "imported"}), 0);
    EXPECT_FALSE(fs::exists(directory_ / "imported.importing"));
}

// Each call that writes, syncs or renames fails, one at a time, and from one on.
TEST_F(Process, EveryFailingCall) {
    if (kSanitized) GTEST_SKIP() << "a preloaded library does not go with the sanitizers";
    const std::string errors = directory_ / "errors";
    for (const char* name : {"remove", "merge", "index"}) {
        const Operation operation = prepare(name);
        for (const bool once : {true, false}) {
            int tried = 0, reported = 0;
            reset();
            const int calls = count_calls(operation.arguments);
            const int step = step_for(calls);
            for (int n = 1; n <= calls; n += step, ++tried) {
                WorkerOptions options;
                options.errors = errors;
                options.environment = {"LD_PRELOAD=" S3ATTN_FAILING_IO,
                                       "S3ATTN_FAIL_AT=" + std::to_string(n)};
                if (once) options.environment.push_back("S3ATTN_FAIL_ONCE=1");
                reset();
                const int code = run_worker(operation.arguments, options);
                const std::string what =
                    std::string(name) + (once ? ", only" : ", from") + " call " + std::to_string(n);
                ASSERT_LE(code, 1) << what;
                if (code == 1) {
                    ++reported;
                    EXPECT_NE(read_all(errors).find("error: "), std::string::npos) << what;
                }
                expect_whole(operation, what);
                if (tried % 8 == 0) expect_repeats(operation, what);
                if (HasFatalFailure()) return;
            }
            std::printf("%s: of %d calls %d failed, %s, %d reported\n", name, calls, tried,
                        once ? "one at a time" : "and all after it", reported);
            EXPECT_GT(reported, tried / 2);
        }
    }
}

TEST_F(Process, ExportAndImportThatFailLeaveNothing) {
    if (kSanitized) GTEST_SKIP() << "a preloaded library does not go with the sanitizers";
    const std::string file = directory_ / "x.s3x";
    for (const bool import : {false, true}) {
        const std::string made = import ? directory_ / "imported" : file;
        const std::vector<std::string> arguments =
            import ? std::vector<std::string>{"import", directory_ / "base.s3x", made}
                   : std::vector<std::string>{"export", base_, made};
        const int calls = count_calls(arguments);
        for (const char* rest : {"imported", "x.s3x"}) fs::remove_all(directory_ / rest);
        int reported = 0;
        for (int n = 1; n <= calls; ++n) {
            WorkerOptions options;
            options.environment = {"LD_PRELOAD=" S3ATTN_FAILING_IO,
                                   "S3ATTN_FAIL_AT=" + std::to_string(n)};
            const int code = run_worker(arguments, options);
            ASSERT_LE(code, 1) << arguments[0] << ", call " << n;
            reported += code;
            if (fs::exists(made)) {  // only what came after the rename failed, or nothing did
                ASSERT_OK(import ? verify_store(made) : import_store(made, directory_ / "y"));
            }
            ASSERT_TRUE(files_in(directory_.path(), ".importing").empty());
            for (const char* rest : {"imported", "x.s3x", "y"}) fs::remove_all(directory_ / rest);
            EXPECT_EQ(content_of(base_), content_of(directory_ / "base"));
        }
        std::printf("%s: %d calls, %d failures reported\n", arguments[0].c_str(), calls, reported);
        EXPECT_GT(reported, calls / 2);
    }
}

TEST_F(Process, AFullDisk) {
    for (const char* name : {"index", "merge", "remove"}) {
        const Operation operation = prepare(name);
        int reported = 0;
        for (uint64_t limit = 512; limit < (2u << 20); limit = limit * 5 / 4) {
            WorkerOptions options;
            options.file_limit = limit;
            reset();
            const int code = run_worker(operation.arguments, options);
            ASSERT_LE(code, 1) << name << " with " << limit;
            reported += code;
            expect_whole(operation, std::string(name) + " with " + std::to_string(limit));
            if (HasFatalFailure()) return;
        }
        expect_repeats(operation, name);
        EXPECT_GT(reported, 3) << name;
    }
    for (uint64_t limit = 512; limit < (2u << 20); limit = limit * 3 / 2) {
        WorkerOptions options;
        options.file_limit = limit;
        if (run_worker({"export", base_, directory_ / "x.s3x"}, options) == 0) break;
        EXPECT_FALSE(fs::exists(directory_ / "x.s3x")) << limit;
        EXPECT_EQ(run_worker({"import", directory_ / "base.s3x", directory_ / "y"}, options), 1);
        EXPECT_FALSE(fs::exists(directory_ / "y")) << limit;
    }
    EXPECT_TRUE(fs::exists(directory_ / "x.s3x"));
}

TEST_F(Process, ReadersBesideAWriterAndASecondWriter) {
    std::vector<pid_t> readers;
    for (int i = 0; i < 3; ++i) readers.push_back(start_worker({"read", base_, "1500"}));
    const pid_t writer = start_worker({"index", base_, "400"});
    // The second comes once the first holds the store: else it may be the first that is refused.
    const std::string lock = base_ + "/" + kLockFile, holder = std::to_string(writer) + "\n";
    for (int i = 0; i < 2000 && read_all(lock) != holder; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    const std::string errors = directory_ / "errors";
    int busy = 0;
    for (int i = 0; i < 200 && busy == 0; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        WorkerOptions options;
        options.errors = errors;
        const int code = run_worker({"remove", base_, "none"}, options);
        ASSERT_LE(code, 1);
        busy = code;
    }
    EXPECT_EQ(busy, 1);
    EXPECT_NE(read_all(errors).find("in use by process " + std::to_string(writer)),
              std::string::npos)
        << read_all(errors);
    for (const pid_t reader : readers) EXPECT_EQ(wait_for(reader), 0);
    ::kill(writer, SIGKILL);
    const int code = wait_for(writer);
    EXPECT_TRUE(code == 0 || code == 128 + SIGKILL) << code;
    EXPECT_OK(verify_store(base_));
}

}  // namespace
}  // namespace s3attn
