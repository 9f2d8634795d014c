// kill -9 at random moments: nothing committed is lost, and going on ends where an uninterrupted
// run ends.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "store_test_util.h"

namespace s3attn {
namespace {

using namespace store_test;

std::vector<TestDocument> first_documents() {
    std::vector<TestDocument> documents;
    for (uint32_t i = 0; i < 10; ++i) {
        documents.push_back({"d" + std::to_string(i), "1", 12, 15 + 10 * (i % 4)});
    }
    return documents;
}

// Indexes, replaces and removes; each step is safe to repeat. Writes one byte per commit point.
void work(const std::string& store, int progress) {
    const auto step = [&] {
        const char byte = 1;
        if (::write(progress, &byte, 1) != 1) ::_exit(3);
    };
    const auto writer = open_writer(store);
    step();
    auto documents = first_documents();
    for (size_t round = 0; round < 2; ++round) {
        for (size_t i = 0; i < documents.size(); ++i) {
            if (round == 1 && i % 2 == 0) continue;
            TestDocument document = documents[i];
            // Round 0 of a document that round 1 has replaced already would undo it.
            TestDocument replaced = document;
            replaced.version = "2";
            replaced.n_units = 9;
            if (round == 1) document = replaced;
            if (round == 0 && i % 2 == 1) {
                const auto reader = open_reader(store);
                const auto all = reader->documents();
                const auto same = [&](const DocumentInfo& info) {
                    return info.path == document.path &&
                           info.source_hash == header_of(replaced).source_hash;
                };
                if (std::any_of(all->begin(), all->end(), same)) continue;
            }
            index_document(*writer, document, 3);
            step();
        }
    }
    for (const char* path : {"d3", "d4", "d6"}) {
        const auto removed = writer->remove_document(id_of(store, path));
        if (!removed.ok() && removed.error().code != ErrorCode::kNotFound) ::_exit(4);
        step();
    }
}

int kills_wanted() {
    const char* text = std::getenv("S3ATTN_TEST_KILLS");
    return text != nullptr ? std::max(1, std::atoi(text)) : 60;
}

TEST(Kill, NothingCommittedIsLostAndARerunEndsTheSame) {
    TemporaryDirectory directory;
    // How long an undisturbed run takes, to aim the kills.
    const auto start = std::chrono::steady_clock::now();
    {
        const int null = ::open("/dev/null", O_WRONLY);
        work(directory / "whole", null);
        ::close(null);
    }
    const auto whole_us = std::chrono::duration_cast<std::chrono::microseconds>(
                              std::chrono::steady_clock::now() - start)
                              .count();
    const Content expected = content_of(directory / "whole");
    std::mt19937 random(std::random_device{}());
    int killed = 0, finished = 0;
    for (int round = 0; killed < kills_wanted(); ++round) {
        const std::string store = directory / ("s" + std::to_string(finished));
        int pipe[2];
        ASSERT_EQ(::pipe(pipe), 0);
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            ::close(pipe[0]);
            try {
                work(store, pipe[1]);
            } catch (const std::exception& error) {
                std::fprintf(stderr, "child: %s\n", error.what());
                ::_exit(5);
            }
            ::_exit(0);
        }
        ::close(pipe[1]);
        const auto delay = random() % static_cast<uint64_t>(whole_us / 2 + 1);
        std::this_thread::sleep_for(std::chrono::microseconds(delay));
        ::kill(child, SIGKILL);
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        ::close(pipe[0]);
        if (WIFSIGNALED(status)) {
            ASSERT_EQ(WTERMSIG(status), SIGKILL);
            ++killed;
            const auto report = verify_store(store);
            if (!report.ok()) {  // killed before the store was there
                ASSERT_EQ(report.error().code, ErrorCode::kNotFound) << report.error().message;
            }
            continue;
        }
        ASSERT_EQ(WEXITSTATUS(status), 0);
        ASSERT_OK(verify_store(store));
        EXPECT_EQ(content_of(store), expected);
        ++finished;
    }
    // Finish the last one undisturbed.
    const std::string store = directory / ("s" + std::to_string(finished));
    const int null = ::open("/dev/null", O_WRONLY);
    work(store, null);
    ::close(null);
    ASSERT_OK(verify_store(store));
    EXPECT_EQ(content_of(store), expected);
}

// What commit() has acknowledged is there after the kill.
TEST(Kill, AnAcknowledgedCommitStays) {
    TemporaryDirectory directory;
    std::mt19937 random(std::random_device{}());
    for (int round = 0; round < 15; ++round) {
        const std::string store = directory / ("s" + std::to_string(round));
        int pipe[2];
        ASSERT_EQ(::pipe(pipe), 0);
        const pid_t child = ::fork();
        if (child == 0) {
            ::close(pipe[0]);
            const auto writer = open_writer(store);
            for (int i = 0; i < 10000; ++i) {
                index_document(*writer, {"d" + std::to_string(i), "1", 2, 10});
                const char byte = 1;
                if (::write(pipe[1], &byte, 1) != 1) ::_exit(1);
            }
            ::_exit(0);
        }
        ::close(pipe[1]);
        std::this_thread::sleep_for(std::chrono::milliseconds(20 + random() % 150));
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        size_t acknowledged = 0;
        char bytes[256];
        for (ssize_t got; (got = ::read(pipe[0], bytes, sizeof bytes)) > 0;) {
            acknowledged += static_cast<size_t>(got);
        }
        ::close(pipe[0]);
        const auto documents = list_documents(store);
        if (acknowledged == 0 && !documents.ok()) continue;
        ASSERT_OK(documents);
        size_t complete = 0;
        for (const auto& document : *documents) complete += document.complete ? 1 : 0;
        EXPECT_GE(complete, acknowledged);
        EXPECT_LE(complete, acknowledged + 1);
        EXPECT_OK(verify_store(store));
    }
}

}  // namespace
}  // namespace s3attn
