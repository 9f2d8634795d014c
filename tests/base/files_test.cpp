#include "base/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

namespace s3attn {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Files : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = (fs::temp_directory_path() / "s3attn files XXXXXX").string();
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
    }
    void TearDown() override { fs::remove_all(directory_); }
    std::string path(const std::string& name) const { return (directory_ / name).string(); }
    size_t entries() const {
        return static_cast<size_t>(
            std::distance(fs::directory_iterator(directory_), fs::directory_iterator()));
    }

    fs::path directory_;
};

TEST_F(Files, WriteThenReadKeepsEveryByte) {
    std::string bytes("a\0b\r\n\xff", 6);
    bytes.append(3'000'000, 'x');  // several blocks
    ASSERT_TRUE(write_file_atomic(path("f"), bytes).ok());
    const auto read = read_file(path("f"), bytes.size());
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_TRUE(*read == bytes);
}

TEST_F(Files, WriteReplacesAndLeavesNoTemporary) {
    ASSERT_TRUE(write_file_atomic(path("f"), "old and longer").ok());
    ASSERT_TRUE(write_file_atomic(path("f"), "new").ok());
    EXPECT_EQ(*read_file(path("f"), 100), "new");
    EXPECT_EQ(entries(), 1u);
}

TEST_F(Files, WriteWorksInTheCurrentDirectory) {
    const fs::path before = fs::current_path();
    fs::current_path(directory_);
    const Status status = write_file_atomic("bare", "x");
    fs::current_path(before);
    EXPECT_TRUE(status.ok());
    EXPECT_TRUE(fs::exists(path("bare")));
}

TEST_F(Files, FailedWriteKeepsTheOldFileAndLeavesNothing) {
    fs::create_directory(path("taken"));  // rename(2) of a file over a directory fails
    const Status status = write_file_atomic(path("taken"), "x");
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, ErrorCode::kIo);
    EXPECT_THAT(status.error().message, HasSubstr(path("taken")));
    EXPECT_TRUE(fs::is_directory(path("taken")));
    EXPECT_EQ(entries(), 1u);
}

TEST_F(Files, WriteIntoMissingDirectoryNamesThePath) {
    const Status status = write_file_atomic(path("no/such/f"), "x");
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, ErrorCode::kNotFound);
    EXPECT_THAT(status.error().message, HasSubstr("no/such/f"));
}

TEST_F(Files, ReadRespectsItsCap) {
    ASSERT_TRUE(write_file_atomic(path("f"), "12345").ok());
    EXPECT_TRUE(read_file(path("f"), 5).ok());
    const auto capped = read_file(path("f"), 4);
    ASSERT_FALSE(capped.ok());
    EXPECT_EQ(capped.error().code, ErrorCode::kUnsupported);
    EXPECT_THAT(capped.error().message, HasSubstr("4 bytes"));
}

TEST_F(Files, ReadErrorsSayWhatHappened) {
    const auto missing = read_file(path("missing"), 10);
    ASSERT_FALSE(missing.ok());
    EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
    EXPECT_THAT(missing.error().message, HasSubstr("missing"));
    const auto directory = read_file(directory_.string(), 10);
    ASSERT_FALSE(directory.ok());
    EXPECT_EQ(directory.error().code, ErrorCode::kIo);
}

TEST_F(Files, MapGivesTheBytesAndOutlivesTheName) {
    ASSERT_TRUE(write_file_atomic(path("f"), "mapped").ok());
    const auto map = MappedFile::open(path("f"));
    ASSERT_TRUE(map.ok());
    fs::remove(path("f"));
    const auto bytes = (*map)->bytes();
    ASSERT_EQ(bytes.size(), 6u);
    EXPECT_EQ(std::memcmp(bytes.data(), "mapped", 6), 0);
}

TEST_F(Files, MapOfEmptyMissingAndSpecialFiles) {
    ASSERT_TRUE(write_file_atomic(path("empty"), "").ok());
    const auto empty = MappedFile::open(path("empty"));
    ASSERT_TRUE(empty.ok());
    EXPECT_TRUE((*empty)->bytes().empty());
    EXPECT_EQ(MappedFile::open(path("missing")).error().code, ErrorCode::kNotFound);
    EXPECT_EQ(MappedFile::open(directory_.string()).error().code, ErrorCode::kIo);
}

TEST_F(Files, HashOfFileEqualsHashOfBytes) {
    std::string bytes;
    for (int i = 0; i < 3'000'000; ++i) bytes.push_back(static_cast<char>(i * 7 + i / 251));
    ASSERT_TRUE(write_file_atomic(path("f"), bytes).ok());
    const auto hash = hash_file(path("f"));
    ASSERT_TRUE(hash.ok());
    EXPECT_EQ(*hash, hash_bytes(bytes));
    EXPECT_EQ(hash->size(), 32u);
    bytes[1'234'567] ^= 1;
    EXPECT_NE(*hash, hash_bytes(bytes));
    // The published XXH3-128 of no bytes (seed 0).
    EXPECT_EQ(hash_bytes(""), "99aa06d3014798d86001c324468d497f");
    EXPECT_EQ(hash_file(path("missing")).error().code, ErrorCode::kNotFound);
}

TEST_F(Files, SyncOfMissingPathsFails) {
    EXPECT_TRUE(sync_directory(directory_.string()).ok());
    EXPECT_TRUE(sync_directory("").ok());  // the current directory
    EXPECT_FALSE(sync_file(path("missing")).ok());
}

RC_GTEST_FIXTURE_PROP(Files, AnyBytesSurviveARoundTrip, (const std::vector<char>& content)) {
    const std::string bytes(content.begin(), content.end());
    const std::string file =
        (fs::temp_directory_path() / ("s3attn round trip " + std::to_string(::getpid()))).string();
    RC_ASSERT(write_file_atomic(file, bytes).ok());
    RC_ASSERT(*read_file(file, bytes.size()) == bytes);
    RC_ASSERT(*hash_file(file) == hash_bytes(bytes));
    fs::remove(file);
}

}  // namespace
}  // namespace s3attn
