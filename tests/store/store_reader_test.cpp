// What readers see: their snapshot, blocks from many threads, ranges, where a feature fires.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "store/inspect.h"
#include "store_fixture.h"

namespace s3attn {
namespace {

using namespace store_test;
using testing::HasSubstr;

TEST_F(StoreTest, ReaderKeepsItsSnapshot) {
    index_document(*open_writer(store_), a_);
    index_document(*open_writer(store_), {"b.txt", "1", 4, 10});
    const auto reader = open_reader(store_);
    const Postings before = live_postings(*reader);
    const auto matches = reader->bm25("whale", 10);
    ASSERT_OK(matches);
    TestDocument changed = a_;
    changed.version = "2";
    index_document(*open_writer(store_), changed);
    ASSERT_OK(remove_document(store_, "b.txt"));
    for (int i = 0; i < 20; ++i) {
        index_document(*open_writer(store_), {"c" + std::to_string(i), "1", 2, 10});
    }
    EXPECT_EQ(live_postings(*reader), before);
    EXPECT_EQ(reader->documents()->size(), 2u);
    EXPECT_EQ(reader->document(DocumentId(2))->path, "b.txt");
    const auto again = reader->bm25("whale", 10);
    ASSERT_OK(again);
    ASSERT_EQ(again->size(), matches->size());
    for (size_t i = 0; i < again->size(); ++i) {
        EXPECT_EQ((*again)[i].unit_id, (*matches)[i].unit_id);
        EXPECT_EQ((*again)[i].bm25, (*matches)[i].bm25);
        EXPECT_OK(reader->unit((*again)[i].unit_id));
    }
    EXPECT_EQ(open_reader(store_)->documents()->size(), 21u);
    expect_clean();
}

TEST_F(StoreTest, ReadersOpenWhileAWriterWrites) {
    std::atomic<bool> done = false;
    index_document(*open_writer(store_), a_);
    std::thread writing([&] {
        const auto writer = open_writer(store_);
        for (int i = 0; i < 60; ++i) {
            TestDocument document{"d" + std::to_string(i % 12), std::to_string(i), 3, 10};
            index_document(*writer, document, 2);
        }
        done = true;
    });
    size_t opened = 0;
    for (; !done; ++opened) {
        const auto reader = StoreReader::open(store_, nullptr);
        ASSERT_OK(reader);
        uint64_t tokens = 0;
        const auto documents = (*reader)->documents();
        ASSERT_OK(documents);
        for (const auto& document : *documents) tokens += document.tokens;
        EXPECT_EQ(tokens, (*reader)->live_tokens());
        Postings postings;
        for (const auto& segment : (*reader)->segments()) read_postings(*segment, postings);
    }
    writing.join();
    EXPECT_GT(opened, 0u);
    EXPECT_EQ(paths().size(), 13u);
    expect_clean();
}

TEST_F(StoreTest, BlocksAreReadFromManyThreads) {
    index_document(*open_writer(store_), {"big", "1", 50, 200});
    const auto reader = open_reader(store_);
    const Postings expected = live_postings(*open_reader(store_));
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            EXPECT_EQ(live_postings(*reader), expected);
            EXPECT_FALSE(reader->bm25("castle", 5)->empty());
            for (const auto& extent : reader->live_units()) EXPECT_OK(reader->unit(extent.unit_id));
        });
    }
    for (std::thread& thread : threads) thread.join();
}

TEST_F(StoreTest, InspectShowsWhereAFeatureFires) {
    index_document(*open_writer(store_), a_);
    index_document(*open_writer(store_), {"b.txt", "1", 4, 10});
    ASSERT_OK(remove_document(store_, "a.txt"));
    const auto [key, activation] = *live_postings(*open_reader(store_)).begin();
    const auto [slot, position, feature] = key;
    const auto report = inspect_postings(store_, {static_cast<int>(slot), feature, 100, true});
    ASSERT_OK(report);
    EXPECT_EQ(report->fingerprint, fingerprint().fields);
    EXPECT_EQ(report->documents, 1u);
    EXPECT_EQ(report->tokens, 40u);
    EXPECT_EQ(report->heads, kShape.n_slots);
    ASSERT_FALSE(report->occurrences.empty());
    EXPECT_EQ(report->feature_postings, report->occurrences.size());
    double strongest = 255;
    bool found = false;
    for (const FeatureOccurrence& o : report->occurrences) {
        EXPECT_LE(o.activation, strongest);
        strongest = o.activation;
        EXPECT_EQ(o.path, "b.txt");
        EXPECT_THAT(o.context, HasSubstr("of b.txt"));
        EXPECT_LT(o.unit_token, 10u);
        found |= o.position == TokenPosition(position) && o.activation == activation;
    }
    EXPECT_TRUE(found);
    EXPECT_EQ(report->dead_features, report->posting_length_histogram[0]);
    uint64_t bytes = 0;
    for (const auto& [part, size] : report->parts) bytes += size;
    EXPECT_EQ(bytes, report->catalog_bytes + report->segment_bytes);
    uint64_t features = 0;
    for (const uint64_t n : report->posting_length_histogram) features += n;
    EXPECT_EQ(features, uint64_t{kShape.n_slots} * kShape.latents);
    ASSERT_FALSE(report->densest.empty());
    EXPECT_EQ(
        inspect_postings(store_, {static_cast<int>(slot), feature, 1, true})->occurrences.size(),
        1u);
    EXPECT_FALSE(inspect_postings(store_, {2, 0, 1, true}).ok());
    EXPECT_FALSE(inspect_postings(store_, {0, kShape.latents, 1, true}).ok());
    EXPECT_TRUE(inspect_postings(store_, {-1, 0, 1, true})->occurrences.empty());
}

TEST_F(StoreTest, UnknownIdsAreNotFound) {
    index_document(*open_writer(store_), a_);
    const auto reader = open_reader(store_);
    EXPECT_EQ(reader->unit(UnitId(999)).error().code, ErrorCode::kNotFound);
    EXPECT_EQ(reader->document(DocumentId(999)).error().code, ErrorCode::kNotFound);
    EXPECT_FALSE(read_document_text(store_, DocumentId(999), [](auto) { return true; }).ok());
    int pieces = 0;
    ASSERT_OK(read_document_text(store_, DocumentId(1), [&](auto) { return ++pieces < 3; }));
    EXPECT_EQ(pieces, 3) << "stops when told to";
}

TEST_F(StoreTest, RangesAreTheUnitsTheyTouch) {
    index_document(*open_writer(store_), a_);
    const std::string text = text_of(a_);
    const auto store = Store::open(store_);
    ASSERT_OK(store);
    for (uint64_t begin = 0; begin < text.size(); begin += 7) {
        for (const uint64_t end : {begin, begin + 1, begin + 40, uint64_t{UINT64_MAX}}) {
            const auto range = store->read_range(DocumentId(1), begin, end, UINT64_MAX);
            ASSERT_OK(range);
            std::vector<uint64_t> expected, got;
            for (uint32_t i = 0; i < a_.n_units; ++i) {
                const Unit unit = unit_of(a_, i);
                if (unit.byte_begin < end && unit.byte_end > begin) {
                    expected.push_back(unit.byte_begin);
                }
            }
            for (const UnitText& unit : range->units) {
                got.push_back(unit.byte_begin);
                EXPECT_EQ(unit.text, text.substr(unit.byte_begin, unit.byte_end - unit.byte_begin));
            }
            EXPECT_EQ(got, expected) << begin << " to " << end;
            EXPECT_FALSE(range->cut);
        }
    }
    const auto cut = store->read_range(DocumentId(1), 0, UINT64_MAX, 1);
    ASSERT_OK(cut);
    EXPECT_EQ(cut->units.size(), 1u) << "at least one";
    EXPECT_TRUE(cut->cut);
    EXPECT_EQ(store->read_range(DocumentId(99), 0, 1, 1).error().code, ErrorCode::kNotFound);
}

TEST_F(StoreTest, UploadsBelongToTheServer) {
    std::filesystem::create_directories(store_ + "/" + kUploadsFolder);
    std::ofstream(store_ + "/" + kUploadsFolder + "/notes.txt") << "text";
    EXPECT_EQ(list_documents(store_).error().code, ErrorCode::kNotFound) << "no store yet";
    index_document(*open_writer(store_), a_);
    ASSERT_OK(verify_store(store_));
    EXPECT_TRUE(std::filesystem::exists(store_ + "/" + kUploadsFolder + "/notes.txt"));
}

}  // namespace
}  // namespace s3attn
