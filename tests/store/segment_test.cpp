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
        for (const uint16_t p : chosen) {
            postings.push_back({p, 2, static_cast<uint8_t>(7 + random() % (1 + n % 200))});
        }
        std::string bytes;
        ASSERT_TRUE(encoder.encode(postings, 5, kBlockTokens, bytes));
        const size_t length = bytes.size();
        bytes.resize(length + kDecodeSlack, '\xff');  // what follows must not matter
        BlockScratch scratch;
        const EncodedBlock block{reinterpret_cast<const uint8_t*>(bytes.data()), length, 5,
                                 kBlockTokens, n};
        ASSERT_STREQ(decode_block(block, true, scratch), nullptr) << n;
        EXPECT_EQ(scratch.feature_begin, (std::vector<uint32_t>{0, 0, 0, n, n, n}));
        for (uint32_t i = 0; i < n; ++i) {
            ASSERT_EQ(scratch.position[i], postings[i].position) << n;
            ASSERT_EQ(scratch.activation[i], postings[i].activation) << n;
        }
    }
}

TEST(BlockCodec, RefusesAFeatureTwiceAtOnePosition) {
    BlockEncoder encoder;
    std::string bytes;
    const Posting postings[] = {{3, 1, 9}, {3, 1, 8}};
    EXPECT_FALSE(encoder.encode(postings, 5, kBlockTokens, bytes));
    EXPECT_TRUE(bytes.empty());
}

// Random bytes into the decoder: it may only say no, or give postings in range.
RC_GTEST_PROP(BlockCodec, SurvivesAnyBytes, ()) {
    const auto latents = *rc::gen::inRange(1u, 20u);
    auto bytes = *rc::gen::container<std::vector<uint8_t>>(rc::gen::inRange<uint8_t>(0, 12));
    if (bytes.empty()) bytes.push_back(0);
    const auto n_postings = *rc::gen::inRange(1u, 60u);
    const auto n_tokens = *rc::gen::inRange(1u, 200u);
    const size_t length = bytes.size();
    bytes.resize(length + kDecodeSlack, 0xff);
    const EncodedBlock block{bytes.data(), length, latents, n_tokens, n_postings};
    for (const bool check : {true, false}) {
        BlockScratch scratch;
        if (decode_block(block, check, scratch)) continue;
        for (uint32_t i = 0; i < n_postings; ++i) RC_ASSERT(scratch.position[i] < n_tokens);
    }
    BlockScratch scratch;
    const uint32_t some[] = {0, latents - 1};
    const std::span<const uint32_t> features = std::span(some).first(latents > 1 ? 2 : 1);
    if (decode_features(block, features, scratch)) return;
    RC_ASSERT(scratch.feature_begin.back() <= n_postings);
    for (uint32_t i = 0; i < scratch.feature_begin.back(); ++i) {
        RC_ASSERT(scratch.position[i] < n_tokens);
    }
}

// Any postings come back, all of them and those of some features, whatever the block's length.
RC_GTEST_PROP(BlockCodec, RoundTripsAnyPostings, ()) {
    std::mt19937 random(*rc::gen::arbitrary<uint32_t>());
    const auto latents = *rc::gen::inRange(1u, 60u);
    const auto n_tokens = *rc::gen::element(1u, 2u, 3u, 100u, 1000u, 16383u, kBlockTokens);
    const auto density = *rc::gen::inRange(1u, 200u);
    std::vector<std::vector<Posting>> lists(latents);
    std::vector<Posting> postings;
    for (uint32_t p = 0; p < n_tokens; ++p) {
        for (uint16_t f = 0; f < latents; ++f) {
            if (random() % 200 >= density / (1 + f)) continue;
            const auto spread = 1 + random() % (255 - f);
            lists[f].push_back({static_cast<uint16_t>(p), f, static_cast<uint8_t>(spread)});
            postings.push_back(lists[f].back());
        }
    }
    std::string bytes;
    BlockEncoder encoder;
    RC_ASSERT(encoder.encode(postings, latents, n_tokens, bytes));
    RC_PRE(!postings.empty());
    const size_t length = bytes.size();
    bytes.resize(length + kDecodeSlack, '\xff');
    const EncodedBlock block{reinterpret_cast<const uint8_t*>(bytes.data()), length, latents,
                             n_tokens, static_cast<uint32_t>(postings.size())};
    BlockScratch scratch;  // used twice, as readers do
    std::vector<uint32_t> all(latents), some;
    for (uint32_t f = 0; f < latents; ++f) {
        all[f] = f;
        if (random() % 2 == 0) some.push_back(f);
    }
    const auto expect_lists = [&](const std::vector<uint32_t>& features) {
        RC_ASSERT(scratch.feature_begin.size() == features.size() + 1);
        for (size_t i = 0; i < features.size(); ++i) {
            const std::vector<Posting>& list = lists[features[i]];
            const uint32_t begin = scratch.feature_begin[i];
            RC_ASSERT(scratch.feature_begin[i + 1] - begin == list.size());
            for (size_t j = 0; j < list.size(); ++j) {
                RC_ASSERT(scratch.position[begin + j] == list[j].position);
                RC_ASSERT(scratch.activation[begin + j] == list[j].activation);
            }
        }
    };
    RC_ASSERT(decode_block(block, true, scratch) == nullptr);
    expect_lists(all);
    RC_ASSERT(decode_features(block, some, scratch) == nullptr);
    expect_lists(some);
}

TEST(Segment, ReadsChosenFeatures) {
    TemporaryDirectory directory;
    std::mt19937 random(9);
    const CodeBatch codes = random_codes(random, kBlockTokens + 100, kShape);
    ASSERT_OK(write_segment(directory / "a.seg", 0, kShape, codes));
    const auto segment = open_segment(directory / "a.seg");
    ASSERT_OK(segment);
    const std::vector<uint32_t> features{0, 3, kShape.latents - 1};
    for (uint32_t block = 0; block < 2; ++block) {
        BlockScratch one, other;
        const auto chosen = (*segment)->read_features(1, block, features, one);
        const auto all = (*segment)->read_block(1, block, other);
        ASSERT_OK(chosen);
        ASSERT_OK(all);
        for (size_t i = 0; i < features.size(); ++i) {
            const uint32_t n = chosen->feature_begin[i + 1] - chosen->feature_begin[i];
            const uint32_t begin = all->feature_begin[features[i]];
            ASSERT_EQ(n, all->feature_begin[features[i] + 1] - begin);
            for (uint32_t j = 0; j < n; ++j) {
                ASSERT_EQ(chosen->position[chosen->feature_begin[i] + j], all->position[begin + j]);
                ASSERT_EQ(chosen->activation[chosen->feature_begin[i] + j],
                          all->activation[begin + j]);
            }
        }
    }
}

TEST(Segment, OtherVersionsAreRefusedWithTheNextStep) {
    TemporaryDirectory directory;
    std::mt19937 random(9);
    ASSERT_OK(write_segment(directory / "a.seg", 0, kShape, random_codes(random, 3, kShape)));
    std::fstream file(directory / "a.seg", std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(8);
    file.put('\x01');
    file.close();
    const auto segment = open_segment(directory / "a.seg");
    ASSERT_FALSE(segment.ok());
    EXPECT_EQ(segment.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(segment.error().message.find("has segment format 1"), std::string::npos);
    EXPECT_NE(segment.error().message.find("index the documents anew"), std::string::npos);
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
        "\x89S3SEG\r\n\x02\0\0\0\0\0\0\0\x02\x01\0\0\0\0\0\0"
        "\x01\0\0\0\x04\0\0\0\x02\0\0\0\0\x40\0\0",
        40);
    EXPECT_EQ(bytes.substr(0, 40), header);
    EXPECT_EQ(bytes.substr(40, 16), std::string(16, '\0'));
    // counts 0 2 0 1 | ranges 8 9, 7 7 | feature 1: w = 1, r = 0: activations 1 0, high bits 1 0 1
    // | feature 3: w = 0, r = 1: low bit 1, high bit 1.
    const std::string block("\0\x02\0\x01\x08\x09\x07\x07\x15\x03", 10);
    EXPECT_EQ(bytes.substr(64, block.size()), block);
    EXPECT_EQ(bytes.size(), 64 + block.size() + 24 + 64);
    EXPECT_EQ(bytes.substr(bytes.size() - 8), "S3SEGEND");
}

}  // namespace
}  // namespace s3attn
