// verify_store names the first thing that is wrong, whatever was done to catalogue or segments.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "store/inspect.h"
#include "store/sqlite.h"
#include "store_test_util.h"

namespace s3attn {
namespace {

namespace fs = std::filesystem;
using namespace store_test;
using testing::HasSubstr;

class Verify : public testing::Test {
  protected:
    void SetUp() override {
        const auto writer = open_writer(store_);
        index_document(*writer, {"a.txt", "1", 6, 20}, 3);
        index_document(*writer, {"b.txt", "1", 3, 20});
    }
    // Runs SQL on the catalogue, as a buggy or hostile program would.
    void sabotage(const char* sql) const {
        const auto db = Database::open(store_ + "/catalog.db", Database::Mode::kReadWrite);
        ASSERT_OK(db);
        ASSERT_OK((*db)->exec("PRAGMA foreign_keys = OFF"));
        ASSERT_OK((*db)->exec(sql));
    }
    void expect_corrupt(const std::string& text) const {
        const auto report = verify_store(store_);
        ASSERT_FALSE(report.ok());
        EXPECT_EQ(report.error().code, ErrorCode::kCorrupt);
        EXPECT_THAT(report.error().message, HasSubstr(text));
    }

    TemporaryDirectory directory_;
    std::string store_ = directory_ / "s";
};

TEST_F(Verify, CountsWhatIsThere) {
    const auto report = verify_store(store_);
    ASSERT_OK(report);
    EXPECT_EQ(report->documents, 2u);
    EXPECT_EQ(report->units, 9u);
    EXPECT_EQ(report->segments, 3u);
    EXPECT_EQ(report->postings, live_postings(*open_reader(store_)).size());
    EXPECT_GT(report->bytes, 0u);
    EXPECT_TRUE(report->orphans_removed.empty());
}

TEST_F(Verify, WorksBesideAWriter) {
    const auto writer = open_writer(store_);
    ASSERT_OK(writer->begin_document(header_of({"c.txt", "1", 3, 20})));
    add_units(*writer, {"c.txt", "1", 3, 20}, 0, 2);
    EXPECT_EQ(verify_store(store_)->units, 9u);
}

TEST_F(Verify, NamesAMissingSegment) {
    const std::string name = files_in(store_, ".seg")[1];
    fs::remove(store_ + "/" + name);
    expect_corrupt("lacks its file '" + name + "'");
    EXPECT_EQ(StoreReader::open(store_, nullptr).error().code, ErrorCode::kCorrupt);
}

TEST_F(Verify, NamesSwappedSegments) {
    const auto names = files_in(store_, ".seg");
    fs::rename(store_ + "/" + names[0], store_ + "/x");
    fs::rename(store_ + "/" + names[1], store_ + "/" + names[0]);
    fs::rename(store_ + "/x", store_ + "/" + names[1]);
    expect_corrupt("is not the segment that the catalogue names");
    EXPECT_EQ(StoreReader::open(store_, nullptr).error().code, ErrorCode::kCorrupt);
}

TEST_F(Verify, NamesADamagedBlockByFileAndByte) {
    const std::string name = files_in(store_, ".seg")[2];
    std::fstream file(store_ + "/" + name, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100);
    file.put('\xee');
    file.close();
    expect_corrupt(name + "', byte 64: block 0 of slot 0");
}

TEST_F(Verify, NamesCataloguesThatDoNotAddUp) {
    const std::pair<const char*, const char*> cases[] = {
        {"UPDATE documents SET tokens = 7 WHERE doc_id = 1", "document 1 should have 7 tokens"},
        {"UPDATE documents SET units = 7 WHERE doc_id = 1", "document 1 should have 7 units"},
        {"DELETE FROM units WHERE unit_id = 2", "document 1 should have 6 units"},
        {"UPDATE units SET byte_begin = 0 WHERE unit_id = 3", "byte range of unit 3"},
        {"UPDATE units SET byte_end = -1 WHERE unit_id = 3", "byte range of unit 3"},
        {"UPDATE units SET position_begin = 1 WHERE unit_id = 3", "positions of unit 3"},
        {"UPDATE units SET position_begin = -5 WHERE unit_id = 3", "positions of unit 3"},
        {"UPDATE units SET position_begin = 9223372036854775807 WHERE unit_id = 9",
         "positions of unit 9"},
        {"UPDATE units SET doc_id = 77 WHERE unit_id = 3", "belongs to no row"},
        {"UPDATE units SET text = 'other words' WHERE unit_id = 3", "word index"},
        {"UPDATE meta SET value = 100 WHERE name = 'next_position'", "impossible"},
        {"UPDATE meta SET value = -1 WHERE name = 'latents'", "out of range"},
        {"UPDATE meta SET value = 99999999 WHERE name = 'n_slots'", "out of range"},
        {"UPDATE meta SET value = 8 WHERE name = 'k'", "other slots, latents or k"},
        {"UPDATE meta SET value = 1 WHERE name = 'next_segment'", "not given out"},
        {"DELETE FROM meta", "meta has no"},
        {"DELETE FROM segments WHERE segment_id = 2", "without a segment"},
        {"UPDATE segments SET base = base + 1 WHERE segment_id = 3", ""},
        {"UPDATE segments SET base = 0", "impossible"},
        {"UPDATE segments SET kept_tokens = 1 WHERE segment_id = 3", "more than its tokens"},
        {"UPDATE segments SET file = '../../etc/passwd' WHERE segment_id = 3", "impossible"},
        {"UPDATE segments SET checksum = 0 WHERE segment_id = 3", "not the segment"},
        {"UPDATE documents SET replaces = 1 WHERE doc_id = 2", "still replaces"},
        {"DROP TABLE units_fts", "has no 'units_fts'"},
        {"DROP TABLE units", "has no 'units'"},
        {"DROP VIEW searchable_units", "has no 'searchable_units'"},
        {"ALTER TABLE documents RENAME COLUMN source_bytes TO x", "'documents' is not as"},
        {"CREATE TABLE more(x)", "'more' is not as"},
        {"CREATE TRIGGER t AFTER DELETE ON units BEGIN DELETE FROM meta; END", "'t' is not as"},
        {"DELETE FROM units_fts", "word index"},
    };
    for (const auto& [sql, text] : cases) {
        SCOPED_TRACE(sql);
        fs::remove_all(store_);
        SetUp();
        const auto db = Database::open(store_ + "/catalog.db", Database::Mode::kReadWrite);
        ASSERT_OK((*db)->exec("PRAGMA foreign_keys = OFF"));
        const Status done = (*db)->exec(sql);
        if (!done.ok()) continue;  // SQLite itself refuses
        expect_corrupt(text);
        // Readers, writers and inspect may succeed or fail on it; they may not crash.
        const auto reader = StoreReader::open(store_, nullptr);
        if (reader.ok()) {
            [[maybe_unused]] const auto documents = (*reader)->documents();
            [[maybe_unused]] const auto matches = (*reader)->bm25("castle", 5);
        }
        [[maybe_unused]] const auto inspected = inspect_postings(store_, {0, 0, 10, true});
        [[maybe_unused]] const auto removed = remove_document(store_, "a.txt");
    }
}

// Bytes of the catalogue overwritten at random places: reported or harmless, never a crash.
TEST_F(Verify, SurvivesADamagedCatalog) {
    std::ifstream in(store_ + "/catalog.db", std::ios::binary);
    const std::string good((std::istreambuf_iterator<char>(in)), {});
    std::mt19937 random(5);
    size_t reported = 0;
    constexpr int kTries = 300;
    for (int i = 0; i < kTries; ++i) {
        std::string bad = good;
        const size_t at = random() % bad.size();
        const size_t length = std::min<size_t>(1 + random() % 64, bad.size() - at);
        for (size_t j = at; j < at + length; ++j) bad[j] = static_cast<char>(random());
        for (const char* suffix : {"-wal", "-shm"}) fs::remove(store_ + "/catalog.db" + suffix);
        std::ofstream(store_ + "/catalog.db", std::ios::binary | std::ios::trunc) << bad;
        if (!verify_store(store_).ok()) ++reported;
        const auto reader = StoreReader::open(store_, nullptr);
        if (!reader.ok()) continue;
        [[maybe_unused]] const auto documents = (*reader)->documents();
        [[maybe_unused]] const auto matches = (*reader)->bm25("castle trial", 5);
        for (const auto& extent : (*reader)->live_units()) {
            [[maybe_unused]] const auto unit = (*reader)->unit(extent.unit_id);
        }
    }
    EXPECT_GT(reported, 5u);  // most of a small catalogue is unused space
    std::ofstream(store_ + "/catalog.db", std::ios::binary | std::ios::trunc) << good;
    EXPECT_OK(verify_store(store_));
}

TEST_F(Verify, SurvivesATruncatedCatalog) {
    const std::string path = store_ + "/catalog.db";
    const auto size = fs::file_size(path);
    for (uintmax_t length = size - 1; length > 0; length = length * 3 / 4) {
        fs::resize_file(path, length);
        EXPECT_FALSE(verify_store(store_).ok()) << length;
        EXPECT_FALSE(StoreWriter::open(store_, {}, kShape).ok()) << length;
    }
}

}  // namespace
}  // namespace s3attn
