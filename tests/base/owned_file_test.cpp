// What src/base owns for all: descriptors, locks, whole writes, files that go with their maker, and
// the bytes of UTF-8.
#include "base/owned_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include "base/files.h"
#include "base/utf8.h"
#include "s3attn/reason.h"

namespace s3attn {
namespace {

namespace fs = std::filesystem;

class OwnedFiles : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = (fs::temp_directory_path() / "s3attn-owned-XXXXXX").string();
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
    }
    void TearDown() override { fs::remove_all(directory_); }
    std::string path(const std::string& name) const { return (directory_ / name).string(); }
    Descriptor opened(const std::string& name) const {
        return Descriptor(::open(path(name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    }
    void put(const std::string& name, const std::string& bytes) const {
        std::ofstream(path(name)) << bytes;
    }
    std::string bytes_of(const std::string& name) const { return *read_file(path(name), 1 << 20); }

    fs::path directory_;
};

TEST_F(OwnedFiles, GoWithTheObjectUnlessTheyAreKept) {
    std::string gone;
    {
        auto file = OwnedFile::create_unique(path("part."));
        ASSERT_TRUE(file.ok()) << file.error().message;
        ASSERT_TRUE(file->write("half").ok());
        gone = file->path();
        EXPECT_TRUE(fs::exists(gone));
    }
    EXPECT_FALSE(fs::exists(gone));
    {
        auto file = OwnedFile::create(path("kept"));
        ASSERT_TRUE(file->write("whole").ok());
        ASSERT_TRUE(file->keep().ok());
    }
    EXPECT_EQ(bytes_of("kept"), "whole");
}

TEST_F(OwnedFiles, NeverTouchWhatOthersMade) {
    put("theirs", "theirs");
    const auto refused = OwnedFile::create(path("theirs"));
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().reason, reason::kExists);
    EXPECT_EQ(bytes_of("theirs"), "theirs");
    std::optional<OwnedFile> file = *OwnedFile::create(path("ours"));
    fs::remove(path("ours"));
    put("ours", "took the name since");
    file.reset();
    EXPECT_EQ(bytes_of("ours"), "took the name since");
}

TEST_F(OwnedFiles, AreRenamedOverWhatIsThere) {
    put("target", "old");
    auto file = OwnedFile::create_unique(path("new."));
    ASSERT_TRUE(file->write("new").ok());
    ASSERT_TRUE(file->rename_to(path("target")).ok());
    EXPECT_EQ(bytes_of("target"), "new");
    EXPECT_EQ(std::distance(fs::directory_iterator(directory_), fs::directory_iterator()), 1);
}

TEST_F(OwnedFiles, HaveNamesOfTheirOwnAndTheModeOfNewFiles) {
    const mode_t before = ::umask(0027);
    const auto a = OwnedFile::create_unique(path("same."));
    const auto b = OwnedFile::create_unique(path("same."));
    ::umask(before);
    ASSERT_TRUE(a.ok() && b.ok());
    EXPECT_NE(a->path(), b->path());
    struct stat info {};
    ASSERT_EQ(::stat(a->path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777u, 0640u);
}

TEST_F(OwnedFiles, LocksExcludeAndEndWithTheDescriptor) {
    Descriptor first = opened("lock"), second = opened("lock"), third = opened("lock");
    const auto take = [&](const Descriptor& file, LockKind kind) {
        return *lock_file(file, kind, false, path("lock"));
    };
    EXPECT_TRUE(take(first, LockKind::kShared));
    EXPECT_TRUE(take(second, LockKind::kShared));
    EXPECT_FALSE(take(third, LockKind::kExclusive));
    first.close();
    EXPECT_FALSE(first.open());
    EXPECT_FALSE(take(third, LockKind::kExclusive));
    second.close();
    EXPECT_TRUE(take(third, LockKind::kExclusive));
    Descriptor waiting = opened("lock");
    EXPECT_FALSE(take(waiting, LockKind::kShared));
    std::thread holder([&] { third.close(); });
    EXPECT_TRUE(*lock_file(waiting, LockKind::kShared, true, path("lock")));
    holder.join();
    const auto closed = lock_file(third, LockKind::kShared, false, "closed");
    ASSERT_FALSE(closed.ok());
    EXPECT_NE(closed.error().message.find("closed"), std::string::npos);
}

TEST_F(OwnedFiles, WritesAreWholeThroughANarrowPipe) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    Descriptor from(ends[0]), to(ends[1]);
    std::string sent(300'000, 'x'), got;
    for (size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>('a' + i % 23);
    std::thread reader([&] {
        char buffer[4096];
        for (ssize_t n; (n = ::read(from.get(), buffer, sizeof buffer)) > 0;) {
            got.append(buffer, static_cast<size_t>(n));
        }
    });
    EXPECT_TRUE(write_all(to.get(), sent, "the pipe").ok());
    to.close();
    reader.join();
    EXPECT_TRUE(got == sent);
    const Status failed = write_all(-1, "x", "no file");
    ASSERT_FALSE(failed.ok());
    EXPECT_NE(failed.error().message.find("no file"), std::string::npos);
}

TEST(Utf8, WholeTextsAndTheirCharacters) {
    for (const char* good : {"", "abc", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80 end"}) {
        EXPECT_TRUE(is_utf8(good)) << good;
    }
    // Overlong, a surrogate, above U+10FFFF, cut, a continuation alone.
    for (const char* bad : {"\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "ab\xE2\x82", "\x80"}) {
        EXPECT_FALSE(is_utf8(bad));
    }
    EXPECT_EQ(utf8_whole_prefix("ab\xE2\x82"), 2u);
    EXPECT_TRUE(utf8_continues('\xA9'));
    EXPECT_FALSE(utf8_continues('\xC3'));
    EXPECT_FALSE(utf8_continues('a'));
}

}  // namespace
}  // namespace s3attn
