// A damaged segment is reported or harmless: never a crash, never other postings.
#include <gtest/gtest.h>

#include <fstream>

#include "store/segment.h"
#include "store_test_util.h"

namespace s3attn {
namespace {

using namespace store_test;

class Damage : public testing::Test {
  protected:
    void SetUp() override {
        std::mt19937 random(3);
        const CodeBatch codes = random_codes(random, 40, kShape);
        ASSERT_OK(write_segment(path_, 7, kShape, codes));
        postings_ = postings_of(codes, 7);
        bytes_ = read_all(path_);
    }

    // True when the damage is reported by open, by a read of all blocks, or by verify.
    void expect_reported(const std::string& what) {
        EXPECT_FALSE(verify_segment(path_).ok()) << what;
        const auto segment = open_segment(path_);
        if (!segment.ok()) {
            EXPECT_NE(segment.error().message.find(path_), std::string::npos);
            return;
        }
        BlockScratch scratch;
        bool reported = false;
        for (uint32_t slot = 0; slot < kShape.n_slots; ++slot) {
            const auto block = (*segment)->read_block(slot, 0, scratch);
            if (block.ok()) continue;
            reported = true;
            EXPECT_NE(block.error().message.find("byte "), std::string::npos);
        }
        EXPECT_TRUE(reported) << what;
        const auto fresh = open_segment(path_);  // one feature alone: the whole block's checksum
        ASSERT_TRUE(fresh.ok());
        const uint32_t feature[] = {0};
        bool noticed = false;
        for (uint32_t slot = 0; slot < kShape.n_slots; ++slot) {
            noticed |= !(*fresh)->read_features(slot, 0, feature, scratch).ok();
        }
        EXPECT_TRUE(noticed) << what;
    }

    TemporaryDirectory directory_;
    std::string path_ = directory_ / "a.seg";
    Postings postings_;
    std::string bytes_;
};

TEST_F(Damage, EveryFlippedByteIsReported) {
    for (const int flip : {0x01, 0x80, 0xff}) {
        for (size_t i = 0; i < bytes_.size(); ++i) {
            std::string damaged = bytes_;
            damaged[i] = static_cast<char>(damaged[i] ^ flip);
            write_all(path_, damaged);
            expect_reported("byte " + std::to_string(i));
        }
    }
}

TEST_F(Damage, EveryTruncationIsReported) {
    for (size_t length = 0; length < bytes_.size(); ++length) {
        write_all(path_, bytes_.substr(0, length));
        EXPECT_FALSE(open_segment(path_).ok()) << length;
    }
}

TEST_F(Damage, AppendedBytesAreReported) {
    for (const size_t extra : {1, 24, 64, 4096}) {
        write_all(path_, bytes_ + std::string(extra, '\0'));
        EXPECT_FALSE(open_segment(path_).ok()) << extra;
    }
}

TEST_F(Damage, EveryMissingOrDoubledRangeIsReported) {
    for (size_t i = 0; i + 8 < bytes_.size(); i += 5) {
        write_all(path_, bytes_.substr(0, i) + bytes_.substr(i + 8));
        EXPECT_FALSE(open_segment(path_).ok()) << i;
        write_all(path_, bytes_.substr(0, i + 8) + bytes_.substr(i));
        EXPECT_FALSE(open_segment(path_).ok()) << i;
    }
}

TEST_F(Damage, TheUndamagedFileIsStillFine) {
    write_all(path_, bytes_);
    EXPECT_OK(verify_segment(path_));
    Postings read;
    read_postings(**open_segment(path_), read);
    EXPECT_EQ(read, postings_);
}

}  // namespace
}  // namespace s3attn
