#include "train/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "fake_text.h"

namespace s3attn {
namespace {

using testing::HasSubstr;

class CheckpointTest : public testing::Test {
  protected:
    void SetUp() override {
        directory_ = (std::filesystem::temp_directory_path() /
                      ("s3attn_checkpoint_" + std::to_string(getpid())))
                         .string();
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }
    Checkpoints open() { return *Checkpoints::open(directory_, sink_); }

    std::string directory_;
    QuietSink sink_;
    const Origin origin_{{"model", "aa"}, {"steps", "600"}};
};

TEST_F(CheckpointTest, ComesBackOnlyForTheSameOrigin) {
    const std::string bytes("a\n\0b", 4);
    {
        Checkpoints first = open();
        ASSERT_TRUE(first.save("part", origin_, bytes).ok());
        EXPECT_EQ(first.load("other", origin_), std::nullopt);
    }
    Checkpoints second = open();
    EXPECT_EQ(second.load("part", origin_), bytes);
    EXPECT_THAT(sink_.notes, HasSubstr("resuming"));
    EXPECT_EQ(second.load("part", {{"model", "aa"}, {"steps", "900"}}), std::nullopt);
    EXPECT_THAT(sink_.notes, HasSubstr("steps was 600, is 900"));
    EXPECT_EQ(second.load("part", {{"model", "aa"}}), std::nullopt);
}

TEST_F(CheckpointTest, DamageIsNoticed) {
    Checkpoints checkpoints = open();
    ASSERT_TRUE(checkpoints.save("part", origin_, "0123456789").ok());
    const std::string path = directory_ + "/part.checkpoint";
    const std::string whole = *read_file(path, 1 << 20);
    for (size_t cut : {size_t{0}, size_t{5}, whole.size() - 1}) {
        ASSERT_TRUE(write_file_atomic(path, whole.substr(0, cut)).ok());
        EXPECT_EQ(checkpoints.load("part", origin_), std::nullopt) << cut;
    }
    std::string flipped = whole;
    flipped[whole.size() - 3] ^= 1;
    ASSERT_TRUE(write_file_atomic(path, flipped).ok());
    EXPECT_EQ(checkpoints.load("part", origin_), std::nullopt);
    EXPECT_THAT(sink_.notes, HasSubstr("damaged"));
}

TEST_F(CheckpointTest, TwoRunsDoNotShareADirectory) {
    Checkpoints first = open();
    const auto second = Checkpoints::open(directory_, sink_);
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().code, ErrorCode::kBusy);
    first.remove();
    EXPECT_FALSE(std::filesystem::exists(directory_));
    EXPECT_TRUE(Checkpoints::open(directory_, sink_).ok());
}

TEST_F(CheckpointTest, ForeignDirectoryIsLeftAlone) {
    std::filesystem::create_directories(directory_);
    std::ofstream(directory_ + "/letter.txt") << "x";
    const auto opened = Checkpoints::open(directory_, sink_);
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code, ErrorCode::kInvalidArgument);
    EXPECT_TRUE(std::filesystem::exists(directory_ + "/letter.txt"));
}

TEST(Bytes, RoundTripAndShortInput) {
    ByteWriter out;
    out.number(7u);
    out.numbers(std::vector<float>{1, 2, 3});
    out.text("name");
    ByteReader in(out.bytes());
    EXPECT_EQ(in.number<uint32_t>(), 7u);
    EXPECT_EQ(in.numbers<float>(), (std::vector<float>{1, 2, 3}));
    EXPECT_EQ(in.text(), "name");
    EXPECT_TRUE(in.ok());
    for (size_t n = 0; n < out.bytes().size(); ++n) {
        ByteReader cut(std::string_view(out.bytes()).substr(0, n));
        cut.number<uint32_t>();
        cut.numbers<float>();
        cut.text();
        EXPECT_FALSE(cut.ok()) << n;
    }
}

}  // namespace
}  // namespace s3attn
