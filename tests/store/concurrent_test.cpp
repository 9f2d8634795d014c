// Readers, a writer, its merges in the background and an export at once, in one process: what
// `make tsan` runs under ThreadSanitizer. And how much memory building takes.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "worker_documents.h"

namespace s3attn {
namespace {

using namespace store_test;

TEST(Concurrent, ReadersWriterMergesAndExport) {
    TemporaryDirectory directory;
    const std::string store = directory / "s";
    index_document(*open_writer(store), worker_document(0, 1));
    std::atomic<bool> stop{false};
    std::atomic<int> opened{0};
    const auto read = [&] {
        while (!stop) {
            const auto reader = open_reader(store);
            for (const DocumentInfo& document : *reader->documents()) {
                std::string text;
                const auto whole =
                    read_document_text(store, document.doc_id, [&](std::string_view piece) {
                        text += piece;
                        return true;
                    });
                // By now it may be gone.
                if (!whole.ok()) {
                    ASSERT_EQ(whole.error().code, ErrorCode::kNotFound);
                }
                if (whole.ok() && document.complete) {
                    ASSERT_EQ(text, worker_text(document));
                }
            }
            ASSERT_FALSE(live_postings(*reader).empty());
            ASSERT_OK(reader->bm25("castle", 5));
            ++opened;
        }
    };
    const auto carry = [&] {
        for (int i = 0; !stop; ++i) {
            const std::string file = directory / ("e" + std::to_string(i));
            ASSERT_OK(export_store(store, file));
            ASSERT_OK(import_store(file, file + ".s3"));
        }
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) threads.emplace_back(read);
    threads.emplace_back(carry);
    {
        const auto writer = open_writer(store);
        for (uint32_t round = 1; round <= 15 || opened < 20; ++round) {
            for (uint32_t i = 0; i < kWorkerDocuments; ++i) {
                index_document(*writer, worker_document(i, 1 + round % 400), 1);
            }
            EXPECT_FALSE(StoreWriter::open(store, fingerprint(), kShape).ok()) << "a second writer";
        }
        EXPECT_OK(writer->settle());
    }
    stop = true;
    for (std::thread& thread : threads) thread.join();
    EXPECT_LT(open_reader(store)->segments().size(), 9u);
    EXPECT_OK(verify_store(store));
}

// One reader shared by threads, as a search uses it.
TEST(Concurrent, OneReaderManyThreads) {
    TemporaryDirectory directory;
    index_document(*open_writer(directory / "s"), {"big", "1", 60, 200});
    const auto reader = open_reader(directory / "s");
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            EXPECT_FALSE(live_postings(*reader).empty());
            for (const auto& extent : reader->live_units()) EXPECT_OK(reader->unit(extent.unit_id));
        });
    }
    for (std::thread& thread : threads) thread.join();
}

uint64_t status_kib(const char* field) {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with(field)) return std::stoull(line.substr(std::string(field).size() + 1));
    }
    return 0;
}

// Builds an index of real shape; returns by how many KiB resident memory rose above its start.
uint64_t build(const std::string& store, uint64_t memory_mib, uint32_t tokens) {
    const StoreShape shape{8, 4096, 8};
    constexpr uint32_t kUnitTokens = 128;
    std::mt19937 random(1);
    const CodeBatch codes = random_codes(random, kUnitTokens * 4, shape);
    std::ofstream("/proc/self/clear_refs") << "5";
    const uint64_t before = status_kib("VmRSS:");
    const auto writer = StoreWriter::open(store, fingerprint(), shape, {memory_mib << 20});
    if (!writer.ok() || !(*writer)->begin_document(header_of({"big"})).ok()) return UINT64_MAX;
    for (uint32_t t = 0; t < tokens; t += codes.n_tokens) {
        for (uint32_t u = 0; u < 4; ++u) {
            const Unit unit = unit_of({"big"}, t / kUnitTokens + u);
            if (!(*writer)->add_unit(unit, kUnitTokens).ok()) return UINT64_MAX;
        }
        if (!(*writer)->add_codes(codes).ok()) return UINT64_MAX;
        if ((*writer)->pending_tokens() >= 16384 && !(*writer)->commit().ok()) return UINT64_MAX;
    }
    if (!(*writer)->end_document().ok() || !(*writer)->commit().ok()) return UINT64_MAX;
    if (!(*writer)->settle().ok()) return UINT64_MAX;
    return status_kib("VmHWM:") - before;
}

TEST(Memory, BuildingStaysWithinItsOption) {
    if (kSanitized) GTEST_SKIP() << "the sanitizers' own memory drowns it";
    constexpr uint64_t kMiB = 40;
    uint64_t rose[2] = {};
    for (const int more : {0, 1}) {
        TemporaryDirectory directory;
        int pipe[2];
        ASSERT_EQ(::pipe(pipe), 0);
        const pid_t child = ::fork();
        if (child == 0) {
            const uint64_t kib = build(directory / "s", kMiB, more == 0 ? 49152 : 180224);
            const bool written = ::write(pipe[1], &kib, sizeof kib) == sizeof kib;
            ::_exit(written ? 0 : 1);
        }
        ASSERT_EQ(::read(pipe[0], &rose[more], sizeof rose[more]),
                  static_cast<ssize_t>(sizeof rose[more]));
        ::waitpid(child, nullptr, 0);
        ::close(pipe[0]);
        ::close(pipe[1]);
        EXPECT_LE(rose[more], kMiB * 1024);
    }
    std::printf("building took %llu and %llu KiB\n", static_cast<unsigned long long>(rose[0]),
                static_cast<unsigned long long>(rose[1]));
    TemporaryDirectory directory;
    const auto refused =
        StoreWriter::open(directory / "s", fingerprint(), {1024, 65536, 256}, {kMiB << 20});
    ASSERT_FALSE(refused.ok());
    EXPECT_NE(refused.error().message.find("MiB"), std::string::npos);
}

}  // namespace
}  // namespace s3attn
