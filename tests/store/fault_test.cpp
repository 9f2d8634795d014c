// A full disk: a clear error, and the store keeps what was committed.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "store_test_util.h"

namespace s3attn {
namespace {

namespace fs = std::filesystem;
using namespace store_test;

// Runs `work` in a child whose files may not grow beyond `bytes` (write fails with EFBIG).
int with_file_limit(uint64_t bytes, const std::function<int()>& work) {
    const pid_t child = ::fork();
    if (child == 0) {
        std::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{bytes, bytes};
        if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(100);
        int result = 101;
        try {
            result = work();
        } catch (...) {
        }
        ::_exit(result);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 102;
}

TEST(Fault, AFullDiskLosesNothingCommitted) {
    TemporaryDirectory directory;
    const std::string store = directory / "s";
    index_document(*open_writer(store), {"a", "1", 5, 10});
    const Content before = content_of(store);
    const TestDocument big{"b", "1", 200, 40};
    index_document(*open_writer(directory / "whole"), {"a", "1", 5, 10});
    index_document(*open_writer(directory / "whole"), big, 40);
    const Content after = content_of(directory / "whole");
    int failures = 0;
    for (uint64_t limit = 4096; limit < (4u << 20); limit = limit * 3 / 2) {
        const std::string copy = directory / "copy";
        fs::remove_all(copy);
        fs::copy(store, copy, fs::copy_options::recursive);
        const int result = with_file_limit(limit, [&] {
            auto writer = StoreWriter::open(copy, fingerprint(), kShape);
            if (!writer.ok()) return writer.error().code == ErrorCode::kIo ? 1 : 3;
            const auto failed = [&](const Status& status) {
                return status.error().code == ErrorCode::kIo && !status.error().message.empty();
            };
            const auto begin = (*writer)->begin_document(header_of(big));
            if (!begin.ok()) return begin.error().code == ErrorCode::kIo ? 1 : 3;
            for (uint32_t i = 0; i < big.n_units; ++i) {
                Status status = (*writer)->add_unit(unit_of(big, i), big.unit_tokens);
                if (!status.ok()) return failed(status) ? 1 : 4;
                status = (*writer)->add_codes(
                    codes_of("b1", uint64_t{i} * big.unit_tokens, big.unit_tokens));
                if (!status.ok()) return failed(status) ? 1 : 5;
                if (i % 40 == 39) {
                    status = (*writer)->commit();
                    if (!status.ok()) return failed(status) ? 1 : 6;
                }
            }
            Status status = (*writer)->end_document();
            if (status.ok()) status = (*writer)->commit();
            return status.ok() ? 0 : failed(status) ? 1 : 7;
        });
        ASSERT_LE(result, 1) << "limit " << limit;
        failures += result;
        ASSERT_OK(verify_store(copy));
        EXPECT_EQ(content_of(copy).texts.at("a"), before.texts.at("a"));
        EXPECT_EQ(content_of(copy).postings.at("a"), before.postings.at("a"));
        index_document(*open_writer(copy), big, 40);  // with room again
        EXPECT_EQ(content_of(copy), after) << "limit " << limit;
    }
    EXPECT_GT(failures, 3);
}

TEST(Fault, AFailedWriterSaysSoFromThenOn) {
    TemporaryDirectory directory;
    const std::string store = directory / "s";
    index_document(*open_writer(store), {"a", "1", 5, 10});
    const int result = with_file_limit(120000, [&] {
        const auto writer = open_writer(store);
        const TestDocument big{"b", "1", 200, 40};
        if (!writer->begin_document(header_of(big)).ok()) return 0;
        for (uint32_t i = 0; i < big.n_units; ++i) {
            if (!writer->add_unit(unit_of(big, i), 1).ok()) break;
            if (!writer->add_codes(codes_of("b1", i, 1)).ok()) break;
            if (i % 10 == 9 && !writer->commit().ok()) break;
            if (i + 1 == big.n_units) return 2;
        }
        const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
        ::setrlimit(RLIMIT_FSIZE, &unlimited);
        const bool refused = !writer->add_unit(unit_of(big, big.n_units - 1), 1).ok() &&
                             !writer->commit().ok() &&
                             !writer->begin_document(header_of(big)).ok() &&
                             !writer->remove_document(DocumentId(1)).ok();
        return refused ? 0 : 3;
    });
    EXPECT_EQ(result, 0);
    EXPECT_OK(verify_store(store));
}

}  // namespace
}  // namespace s3attn
