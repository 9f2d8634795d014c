// Segments against a plain map of postings.
#include "store/segment.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <fstream>

#include "store/block_codec.h"
#include "store/segment_writer.h"
#include "store_test_util.h"

namespace s3attn {
namespace {

using namespace store_test;

TEST(Segment, ReadsBackWhatWasWritten) {
    TemporaryDirectory directory;
    std::mt19937 random(1);
    const StoreShape shape{3, 500, 8};
    const CodeBatch codes = random_codes(random, 2 * kBlockTokens + 17, shape);
    ASSERT_OK(write_segment(directory / "a.seg", 1000, shape, codes));
    const auto segment = open_segment(directory / "a.seg");
    ASSERT_OK(segment);
    EXPECT_EQ((*segment)->base(), 1000u);
    EXPECT_EQ((*segment)->n_tokens(), codes.n_tokens);
    EXPECT_EQ((*segment)->n_blocks(), 3u);
    EXPECT_EQ((*segment)->n_slots(), 3u);
    EXPECT_EQ((*segment)->latents(), 500u);
    EXPECT_EQ((*segment)->k(), 8u);
    const Postings expected = postings_of(codes, 1000);
    EXPECT_EQ((*segment)->n_postings(), expected.size());
    Postings read;
    read_postings(**segment, read);
    EXPECT_EQ(read, expected);
    EXPECT_OK(verify_segment(directory / "a.seg"));
}

RC_GTEST_PROP(Segment, EqualsMapForAnyShape, ()) {
    const StoreShape shape{*rc::gen::inRange(1u, 4u), *rc::gen::inRange(1u, 80u),
                           *rc::gen::inRange(1u, 10u)};
    const auto n_tokens = *rc::gen::element(1u, 2u, 63u, 4095u, 4096u, 4097u);
    std::mt19937 random(*rc::gen::arbitrary<uint32_t>());
    TemporaryDirectory directory;
    const CodeBatch codes = random_codes(random, n_tokens, shape);
    RC_ASSERT(write_segment(directory / "a.seg", 5, shape, codes).ok());
    const auto segment = open_segment(directory / "a.seg");
    RC_ASSERT(segment.ok());
    Postings read;
    read_postings(**segment, read);
    RC_ASSERT(read == postings_of(codes, 5));
}

// Every length of list: decoding has a path for one word and one for more.
TEST(BlockCodec, RoundTripsListsOfEveryLength) {
    BlockEncoder encoder;
    std::mt19937 random(2);
    std::vector<uint16_t> positions(kBlockTokens);
    for (uint32_t i = 0; i < kBlockTokens; ++i) positions[i] = static_cast<uint16_t>(i);
    for (uint32_t n = 1; n <= kBlockTokens; n += n < 300 ? 1 : 97) {
        std::shuffle(positions.begin(), positions.end(), random);
        std::vector<uint16_t> chosen(positions.begin(), positions.begin() + n);
        std::sort(chosen.begin(), chosen.end());
        std::vector<Posting> postings;
        for (const uint16_t p : chosen) postings.push_back({p, 2, 7});
        std::string bytes;
        ASSERT_TRUE(encoder.encode(postings, 5, bytes));
        const size_t length = bytes.size();
        bytes.resize(length + kDecodeSlack, '\xff');  // what follows must not matter
        BlockScratch scratch;
        ASSERT_EQ(decode_block(reinterpret_cast<const uint8_t*>(bytes.data()), length, 5,
                               kBlockTokens, n, true, scratch),
                  nullptr)
            << n;
        EXPECT_EQ(scratch.feature_begin, (std::vector<uint32_t>{0, 0, 0, n, n, n}));
        ASSERT_TRUE(std::equal(chosen.begin(), chosen.end(), scratch.position.begin())) << n;
    }
}

TEST(BlockCodec, RefusesAFeatureTwiceAtOnePosition) {
    BlockEncoder encoder;
    std::string bytes;
    const Posting postings[] = {{3, 1, 9}, {3, 1, 8}};
    EXPECT_FALSE(encoder.encode(postings, 5, bytes));
    EXPECT_TRUE(bytes.empty());
}

// Random bytes into the decoder: it may only say no, or give postings in range.
RC_GTEST_PROP(BlockCodec, SurvivesAnyBytes, ()) {
    const auto latents = *rc::gen::inRange(1u, 20u);
    auto bytes = *rc::gen::container<std::vector<uint8_t>>(rc::gen::inRange<uint8_t>(0, 12));
    const auto n_postings = *rc::gen::inRange(1u, 60u);
    const size_t length = bytes.size();
    bytes.resize(length + kDecodeSlack, 0xff);
    for (const bool check : {true, false}) {
        BlockScratch scratch;
        if (decode_block(bytes.data(), length, latents, 100, n_postings, check, scratch)) continue;
        for (uint32_t i = 0; i < n_postings; ++i) RC_ASSERT(scratch.position[i] < 100);
    }
}

TEST(Segment, RefusesBadCodes) {
    TemporaryDirectory directory;
    const std::string path = directory / "a.seg";
    const StoreShape shape{1, 10, 2};
    const auto write = [&](CodeBatch codes) {
        const Status status = write_segment(path, 0, shape, codes);
        EXPECT_TRUE(files_in(directory.path(), ".seg").empty()) << "left a file behind";
        return status;
    };
    const auto expect_refused = [&](const CodeBatch& codes, const char* why) {
        const Status status = write(codes);
        ASSERT_FALSE(status.ok()) << why;
        EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
        EXPECT_NE(status.error().message.find(why), std::string::npos) << status.error().message;
    };
    expect_refused({1, 1, 2, {1, 10}, {5, 5}}, "not below 10");
    expect_refused({1, 1, 2, {4, 3}, {5, 5}}, "ascending");
    expect_refused({1, 1, 2, {4, 4}, {5, 5}}, "ascending");
    expect_refused({1, 1, 2, {4}, {5}}, "entries");
    expect_refused({1, 2, 1, {4, 5}, {5, 5}}, "slots");
    expect_refused({0, 1, 2, {}, {}}, "without tokens");
    // Padding may hold anything.
    EXPECT_OK(write_segment(path, 0, shape, {1, 1, 2, {4, 4000}, {5, 0}}));
}

TEST(Segment, RefusesBadShapes) {
    TemporaryDirectory directory;
    for (const StoreShape shape : {StoreShape{0, 10, 2}, StoreShape{1, 0, 2}, StoreShape{1, 10, 0},
                                   StoreShape{1, 65537, 2}, StoreShape{1, 10, 257}}) {
        EXPECT_FALSE(SegmentWriter::create(directory / "a.seg", 0, shape).ok());
    }
}

TEST(Segment, LargestLatentsAndCountsAreKept) {
    TemporaryDirectory directory;
    const StoreShape shape{1, 65536, 2};
    CodeBatch codes{300, 1, 2, {}, {}};
    for (uint32_t t = 0; t < codes.n_tokens; ++t) {  // 300 postings each: beyond a count byte
        codes.feature.insert(codes.feature.end(), {0, 65535});
        codes.activation.insert(codes.activation.end(), {1, 255});
    }
    ASSERT_OK(write_segment(directory / "a.seg", 0, shape, codes));
    const auto segment = open_segment(directory / "a.seg");
    ASSERT_OK(segment);
    Postings read;
    read_postings(**segment, read);
    EXPECT_EQ(read, postings_of(codes, 0));
}

TEST(Segment, OutOfRangeBlockIsAnError) {
    TemporaryDirectory directory;
    std::mt19937 random(1);
    ASSERT_OK(write_segment(directory / "a.seg", 0, kShape, random_codes(random, 5, kShape)));
    const auto segment = open_segment(directory / "a.seg");
    ASSERT_OK(segment);
    BlockScratch scratch;
    EXPECT_FALSE((*segment)->read_block(kShape.n_slots, 0, scratch).ok());
    EXPECT_FALSE((*segment)->read_block(0, 1, scratch).ok());
}

TEST(Segment, OtherFilesAreNamed) {
    TemporaryDirectory directory;
    EXPECT_EQ(open_segment(directory / "none.seg").error().code, ErrorCode::kNotFound);
    std::ofstream(directory / "empty.seg");
    EXPECT_EQ(open_segment(directory / "empty.seg").error().code, ErrorCode::kCorrupt);
    std::ofstream(directory / "text.seg") << std::string(1000, 'x');
    EXPECT_EQ(open_segment(directory / "text.seg").error().code, ErrorCode::kCorrupt);
    EXPECT_FALSE(open_segment(directory.path()).ok());
}

// A golden header and footer: the format on disk must not drift.
TEST(Segment, BytesAreThoseOfTheSpecification) {
    TemporaryDirectory directory;
    const StoreShape shape{1, 4, 2};
    // token 0: feature 1 (9); token 1: features 1 (8) and 3 (7)
    ASSERT_OK(
        write_segment(directory / "a.seg", 258, shape, {2, 1, 2, {1, 0, 1, 3}, {9, 0, 8, 7}}));
    std::ifstream file(directory / "a.seg", std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    const std::string header(
        "\x89S3SEG\r\n\x01\0\0\0\0\0\0\0\x02\x01\0\0\0\0\0\0"
        "\x01\0\0\0\x04\0\0\0\x02\0\0\0\0\x10\0\0",
        40);
    EXPECT_EQ(bytes.substr(0, 40), header);
    EXPECT_EQ(bytes.substr(40, 16), std::string(16, '\0'));
    // counts 0 2 0 1 | activations 9 8 7 | low bits: 11 each of 0 and 1, then 12 of 1: 34 bits |
    // high bits: feature 1 owns 2 + 1 bits (1, 1, 0), feature 3 owns 1 + 0 bits (1).
    const std::string block("\0\x02\0\x01\x09\x08\x07\0\x08\x40\0\0\x0b", 13);
    EXPECT_EQ(bytes.substr(64, block.size()), block);
    EXPECT_EQ(bytes.size(), 64 + block.size() + 24 + 64);
    EXPECT_EQ(bytes.substr(bytes.size() - 8), "S3SEGEND");
}

}  // namespace
}  // namespace s3attn
