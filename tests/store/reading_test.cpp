// Readers beside a writer: what they opened stays, and what they let go of does not pile up.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "store/snapshot.h"
#include "store_fixture.h"

namespace s3attn {
namespace {

using namespace store_test;
namespace fs = std::filesystem;

constexpr uint64_t kMostLogBytes = 8 << 20;  // SQLite begins anew at about 4 MiB

class Reading : public StoreTest {
  protected:
    // Documents without text: a commit each, no segments.
    void commit_often(int times) {
        const auto writer = open_writer(store_);
        for (int i = 0; i < times; ++i) {
            DocumentHeader header = header_of(a_);
            header.path = "empty" + std::to_string(next_++);
            ASSERT_OK(writer->begin_document(header));
            ASSERT_OK(writer->end_document());
            ASSERT_OK(writer->commit());
            const uint64_t log = fs::file_size(store_ + "/catalog.db-wal");
            most_log_ = std::max(most_log_, log);
        }
    }
    int next_ = 0;
    uint64_t most_log_ = 0;
};

TEST_F(Reading, AThousandCommitsBesideAnIdleReaderKeepTheLogSmall) {
    index_document(*open_writer(store_), a_);
    const auto reader = open_reader(store_);
    const auto before = live_postings(*reader);
    reader->rest();
    const auto handle = Store::open(store_);
    ASSERT_OK(handle);
    ASSERT_EQ(handle->list()->size(), 1u);
    commit_often(1000);
    EXPECT_LT(most_log_, kMostLogBytes);
    EXPECT_EQ(handle->list()->size(), 1001u);
    const auto same = reader->renew();
    ASSERT_OK(same);
    EXPECT_FALSE(*same);
    EXPECT_EQ(live_postings(*reader), before) << "what is in memory is as it was";
}

TEST_F(Reading, AReaderThatRestedGoesOnWhereNothingChanged) {
    index_document(*open_writer(store_), a_);
    const auto reader = open_reader(store_);
    for (int i = 0; i < 3; ++i) {
        reader->rest();
        const auto same = reader->renew();
        ASSERT_OK(same);
        EXPECT_TRUE(*same);
        EXPECT_EQ(reader->bm25("castle", 5)->size(), 1u);
        EXPECT_OK(reader->unit(reader->live_units()[0].unit_id));
    }
    // Another reader, and one that lets go of the store for good, change nothing.
    reader->rest();
    ASSERT_OK(verify_store(store_));
    EXPECT_TRUE(*reader->renew());
    // In between it holds its state, whatever is committed.
    index_document(*open_writer(store_), {"b.txt", "1", 4, 10});
    EXPECT_EQ(reader->documents()->size(), 1u);
    reader->rest();
    EXPECT_FALSE(*reader->renew());
}

TEST_F(Reading, AStoreThatWasRemovedAndMadeAgainIsAnother) {
    index_document(*open_writer(store_), a_);
    const auto reader = open_reader(store_);
    reader->rest();
    fs::remove_all(store_);
    index_document(*open_writer(store_), a_);
    const auto same = reader->renew();
    ASSERT_OK(same);
    EXPECT_FALSE(*same);
}

TEST_F(Reading, ASnapshotHoldsSegmentsThatAWriterJoins) {
    for (const char* name : {"a", "b", "c"}) {
        index_document(*open_writer(store_), {name, "1", 3, 10});
    }
    const auto snapshot = open_store_snapshot(store_, nullptr);
    ASSERT_OK(snapshot);
    const auto before = files_in(store_, ".seg");
    for (int i = 0; i < 20; ++i) {
        index_document(*open_writer(store_), {"d" + std::to_string(i), "1", 3, 10});
    }
    const auto after = files_in(store_, ".seg");
    EXPECT_TRUE(std::none_of(before.begin(), before.end(), [&](const std::string& name) {
        return std::find(after.begin(), after.end(), name) != after.end();
    })) << "the writer should have joined and removed them all";
    for (const auto& segment : snapshot->segments) EXPECT_OK(segment->verify());
}

// The store is whole at every moment, so whoever looks at it must find it so.
TEST_F(Reading, VerifyAndExportBesideAWriterThatJoinsSegments) {
    index_document(*open_writer(store_), a_);
    std::atomic<bool> done{false};
    std::thread writing([&] {
        const auto writer = open_writer(store_);
        for (int i = 0; i < 60; ++i) {
            index_document(*writer, {"d" + std::to_string(i), "1", 3, 10});
        }
        done = true;
    });
    int looked = 0;
    while (!done) {
        EXPECT_OK(verify_store(store_));
        const std::string file = directory_ / ("e" + std::to_string(looked++));
        EXPECT_OK(export_store(store_, file));
    }
    writing.join();
    EXPECT_GT(looked, 0);
    EXPECT_OK(verify_store(store_));
}

}  // namespace
}  // namespace s3attn
