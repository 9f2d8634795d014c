// Export and import: the same store on the other side, or a clear error and nothing at all.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "store/manifest.h"
#include "store_test_util.h"

namespace s3attn {
namespace {

namespace fs = std::filesystem;
using namespace store_test;

class Portable : public testing::Test {
  protected:
    void SetUp() override {
        const auto writer = open_writer(store_);
        index_document(*writer, {"a", "1", 4, 20}, 2);
        index_document(*writer, {"b", "1", 2, 7});
        index_document(*writer, {"a", "2", 3, 20});
    }

    TemporaryDirectory directory_;
    std::string store_ = directory_ / "s", file_ = directory_ / "s.s3x", copy_ = directory_ / "c";
};

TEST_F(Portable, RoundTrip) {
    const auto written = export_store(store_, file_);
    ASSERT_OK(written);
    EXPECT_EQ(written->documents, 2u);
    EXPECT_EQ(written->bytes, fs::file_size(file_));
    const auto read = import_store(file_, copy_);
    ASSERT_OK(read);
    EXPECT_EQ(read->documents, 2u);
    EXPECT_EQ(content_of(copy_), content_of(store_));
    EXPECT_EQ(files_in(directory_.path(), ""), (std::vector<std::string>{"c", "s", "s.s3x"}));
    // Ids and positions are the same, and the copy is a store like any other.
    EXPECT_EQ(open_reader(copy_)->live_units().back().unit_id,
              open_reader(store_)->live_units().back().unit_id);
    index_document(*open_writer(copy_), {"new", "1", 1, 5});
    EXPECT_OK(verify_store(copy_));
    // Equal stores give equal files.
    ASSERT_OK(export_store(store_, directory_ / "again.s3x"));
    EXPECT_EQ(read_all(file_), read_all(directory_ / "again.s3x"));
}

TEST_F(Portable, AnEmptyAndAnInterruptedStore) {
    open_writer(directory_ / "empty");
    ASSERT_OK(export_store(directory_ / "empty", directory_ / "empty.s3x"));
    ASSERT_OK(import_store(directory_ / "empty.s3x", directory_ / "empty2"));
    EXPECT_OK(open_reader(directory_ / "empty2")->documents());
    {
        const auto writer = open_writer(store_);
        ASSERT_OK(writer->begin_document(header_of({"half", "1", 6, 10})));
        add_units(*writer, {"half", "1", 6, 10}, 0, 3);
        ASSERT_OK(writer->commit());
    }
    ASSERT_OK(export_store(store_, file_));
    ASSERT_OK(import_store(file_, copy_));
    index_document(*open_writer(copy_), {"half", "1", 6, 10});  // goes on there
    index_document(*open_writer(store_), {"half", "1", 6, 10});
    EXPECT_EQ(content_of(copy_), content_of(store_));
}

TEST_F(Portable, NothingIsOverwritten) {
    write_all(file_, "mine");
    const auto refused = export_store(store_, file_);
    ASSERT_FALSE(refused.ok());
    EXPECT_NE(refused.error().message.find("exists"), std::string::npos);
    EXPECT_EQ(read_all(file_), "mine");
    fs::remove(file_);
    ASSERT_OK(export_store(store_, file_));
    fs::create_directory(copy_);
    EXPECT_FALSE(import_store(file_, copy_).ok());
    EXPECT_FALSE(import_store(file_, store_).ok());
    EXPECT_TRUE(fs::is_empty(copy_));
    EXPECT_FALSE(export_store(directory_ / "none", directory_ / "x").ok());
    EXPECT_FALSE(import_store(directory_ / "none", directory_ / "x").ok());
    EXPECT_FALSE(fs::exists(directory_ / "x"));
}

TEST_F(Portable, ALeftOverOfADeadImportIsReplaced) {
    ASSERT_OK(export_store(store_, file_));
    fs::create_directory(copy_ + ".importing");
    write_all(copy_ + ".importing/catalog.db", "half");
    write_all(copy_ + ".importing/segment-000000000009.seg", "half");
    ASSERT_OK(import_store(file_, copy_));
    EXPECT_EQ(content_of(copy_), content_of(store_));
    fs::create_directory(directory_ / "d.importing");
    write_all(directory_ / "d.importing/thesis.txt", "mine");
    EXPECT_FALSE(import_store(file_, directory_ / "d").ok());
    EXPECT_EQ(read_all(directory_ / "d.importing/thesis.txt"), "mine");
}

// One byte wrong, or the end missing: reported, or the same store comes out. Never half a store.
TEST_F(Portable, EveryFlippedByteAndTruncation) {
    fs::remove_all(store_);
    index_document(*open_writer(store_), {"a", "1", 2, 5});
    ASSERT_OK(export_store(store_, file_));
    const Content expected = content_of(store_);
    const std::string whole = read_all(file_);
    const std::string damaged = directory_ / "damaged.s3x";
    size_t reported = 0, harmless = 0;
    const auto check = [&](const std::string& bytes, const std::string& what) {
        write_all(damaged, bytes);
        const auto read = import_store(damaged, copy_);
        if (!read.ok()) {
            ++reported;
            EXPECT_NE(read.error().message.find("damaged.s3x"), std::string::npos) << what;
            ASSERT_FALSE(fs::exists(copy_)) << what;
            ASSERT_FALSE(fs::exists(copy_ + ".importing")) << what;
            return;
        }
        ++harmless;
        ASSERT_EQ(content_of(copy_), expected) << what;
        fs::remove_all(copy_);
    };
    // Every byte of the container's own structures and of the segment; a catalogue of 60 KB of
    // mostly unused pages is sampled.
    const size_t catalog = whole.find("SQLite format 3");
    const size_t end = catalog + fs::file_size(store_ + "/catalog.db");
    ASSERT_LT(end, whole.size());
    for (size_t i = 0; i < whole.size(); ++i) {
        if (i > catalog + 200 && i + 200 < end && i % 97 != 0) continue;
        std::string bytes = whole;
        bytes[i] = static_cast<char>(bytes[i] ^ (1 << (i % 8)));
        check(bytes, "byte " + std::to_string(i));
    }
    EXPECT_GT(reported, 1000u);
    EXPECT_LT(harmless, 200u);
    harmless = 0;
    for (size_t n = 0; n<whole.size(); n += n> catalog + 200 && n + 200 < end ? 97 : 1) {
        check(whole.substr(0, n), "length " + std::to_string(n));
    }
    EXPECT_EQ(harmless, 0u);
}

// A right archive around a wrong store.
TEST_F(Portable, ADamagedStoreIsNotExported) {
    const std::string segment = store_ + "/" + files_in(store_, ".seg")[0];
    std::string bytes = read_all(segment);
    bytes[bytes.size() / 2] ^= 1;
    write_all(segment, bytes);
    EXPECT_FALSE(export_store(store_, file_).ok());
    EXPECT_FALSE(fs::exists(file_));
    EXPECT_EQ(files_in(directory_.path(), ""), (std::vector<std::string>{"s"}));
}

TEST_F(Portable, WhileAWriterRuns) {
    std::atomic<bool> stop{false};
    std::thread writer([&] {
        const auto open = open_writer(store_);
        for (int i = 0; !stop && i < 2000; ++i) {
            index_document(*open, {"w" + std::to_string(i % 20), std::to_string(i), 2, 8});
        }
    });
    for (int i = 0; i < 10; ++i) {
        const std::string file = directory_ / ("e" + std::to_string(i));
        ASSERT_OK(export_store(store_, file));
        ASSERT_OK(import_store(file, file + ".s3"));
        EXPECT_EQ(content_of(file + ".s3").texts.at("b"), text_of({"b", "1", 2, 7}));
    }
    stop = true;
    writer.join();
}

TEST(Manifest, IsStrict) {
    const std::vector<ManifestFile> files = {{"catalog.db", 10, std::string(32, 'a')},
                                             {"segment-000000000001.seg", 0, std::string(32, '0')},
                                             {"segment-000000000002.seg", 7, std::string(32, 'f')}};
    const std::string text = write_manifest(files);
    EXPECT_EQ(*read_manifest(text), files);
    for (size_t i = 0; i < text.size(); ++i) {
        std::string bad = text;
        bad[i] ^= 1;
        EXPECT_FALSE(read_manifest(bad).ok()) << i;
        EXPECT_FALSE(read_manifest(text.substr(0, i)).ok()) << i;
    }
    EXPECT_FALSE(read_manifest(text + "\n").ok());
    const auto with = [&](const std::string& name) {
        return read_manifest(write_manifest({files[0], {name, 1, files[0].hash}})).ok();
    };
    EXPECT_TRUE(with("segment-000000000003.seg"));
    for (const char* name : {"catalog.db", "../x", "a b", "", "segment-1.seg", "writer.lock",
                             "/etc/passwd", "segment-000000000001.seg.tmp"}) {
        EXPECT_FALSE(with(name)) << name;
    }
    EXPECT_FALSE(read_manifest(write_manifest({})).ok());
    EXPECT_FALSE(read_manifest(write_manifest({files[1]})).ok());
    EXPECT_FALSE(read_manifest(write_manifest({files[0], files[2], files[1]})).ok());
}

}  // namespace
}  // namespace s3attn
