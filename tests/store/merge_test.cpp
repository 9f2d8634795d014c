// Stores made apart and merged equal the store of a single run.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <filesystem>

#include "store_test_util.h"

namespace s3attn {
namespace {

namespace fs = std::filesystem;
using namespace store_test;

struct Silent final : ProgressSink {
    void update(const Progress&) override {}
    void note(const std::string&) override {}
};

Result<MergeReport> merge(const std::string& store, const std::vector<std::string>& stores) {
    Silent sink;
    return Store::merge(store, stores, sink, CancelToken());
}

std::vector<TestDocument> documents(uint32_t n) {
    std::vector<TestDocument> all;
    for (uint32_t i = 0; i < n; ++i) {
        all.push_back({"d" + std::to_string(i * 7 % n), "1", 1 + i % 4, 1 + (i * 37) % 90});
    }
    return all;
}

// Shard `shard` of `shards` of the list, as `index --shard` makes it.
void index_shard(const std::string& store, const std::vector<TestDocument>& list, uint32_t shard,
                 uint32_t shards, int64_t name = 1) {
    const auto writer = open_writer(store);
    for (size_t i = shard; i < list.size(); i += shards) {
        ASSERT_OK(writer->place_next(name, list.size(), i));
        index_document(*writer, list[i], 2);
    }
    ASSERT_OK(writer->commit());
}

// Everything a reader can see, with ids and positions.
struct Exact {
    std::vector<std::tuple<DocumentId, std::string, std::string, uint64_t, uint64_t>> documents;
    std::vector<std::tuple<UnitId, DocumentId, TokenPosition, uint32_t, uint64_t, std::string>>
        units;
    Postings postings;
    std::vector<std::pair<UnitId, double>> words;
    bool operator==(const Exact&) const = default;
};

Exact exact(const std::string& store) {
    Exact all;
    const auto reader = open_reader(store);
    for (const DocumentInfo& d : *reader->documents()) {
        EXPECT_TRUE(d.complete);
        all.documents.emplace_back(d.doc_id, d.path, d.source_hash, d.tokens, d.units);
    }
    for (const UnitExtent& extent : reader->live_units()) {
        const UnitRow unit = *reader->unit(extent.unit_id);
        all.units.emplace_back(unit.unit_id, unit.doc_id, unit.position_begin, unit.n_tokens,
                               unit.byte_begin, unit.text);
    }
    all.postings = live_postings(*reader);
    for (const auto& match : *reader->bm25("castle running harbour 3", 1000)) {
        all.words.emplace_back(match.unit_id, match.bm25);
    }
    return all;
}

TEST(Merge, ShardsEqualASingleRun) {
    for (const uint32_t shards : {1u, 2u, 3u, 5u}) {
        TemporaryDirectory directory;
        const auto list = documents(11);
        {
            const auto writer = open_writer(directory / "single");
            for (const auto& document : list) index_document(*writer, document);
        }
        std::vector<std::string> parts;
        for (uint32_t s = 0; s < shards; ++s) {
            parts.push_back(directory / ("part" + std::to_string(s)));
            index_shard(parts.back(), list, s, shards);
        }
        // In whatever order they are named, and some of them twice.
        std::reverse(parts.begin(), parts.end());
        parts.push_back(parts.front());
        const auto report = merge(directory / "merged", parts);
        ASSERT_OK(report);
        EXPECT_EQ(report->added, list.size());
        EXPECT_EQ(report->documents, list.size());
        EXPECT_OK(verify_store(directory / "merged"));
        const Exact expected = exact(directory / "single");
        EXPECT_EQ(exact(directory / "merged"), expected);
        const auto again = merge(directory / "merged", parts);
        ASSERT_OK(again);
        EXPECT_EQ(again->unchanged, list.size());
        EXPECT_EQ(exact(directory / "merged"), expected);
    }
}

// A shard that was written twice, interrupted, or in two runs of two lists.
TEST(Merge, ShardsOfSeveralRuns) {
    TemporaryDirectory directory;
    const auto first = documents(7);
    std::vector<TestDocument> second;
    for (uint32_t i = 0; i < 5; ++i) second.push_back({"e" + std::to_string(i), "1", 2, 11});
    {
        const auto writer = open_writer(directory / "single");
        for (const auto& list : {first, second}) {
            for (const auto& document : list) index_document(*writer, document);
        }
    }
    for (uint32_t s = 0; s < 2; ++s) {
        const std::string part = directory / std::to_string(s);
        index_shard(part, {first.begin(), first.end()}, s, 2, 1);
        index_shard(part, {first.begin(), first.end()}, s, 2, 1);
        {  // begun and left
            const auto writer = open_writer(part);
            ASSERT_OK(writer->place_next(2, second.size(), s));
            ASSERT_OK(writer->begin_document(header_of(second[s])));
            add_units(*writer, second[s], 0, 1);
            ASSERT_OK(writer->commit());
        }
        EXPECT_FALSE(merge(directory / "merged", {part}).ok()) << "a part of a document";
        index_shard(part, second, s, 2, 2);
    }
    EXPECT_FALSE(fs::exists(directory / "merged"));
    ASSERT_OK(merge(directory / "merged", {directory / "1", directory / "0"}));
    EXPECT_EQ(exact(directory / "merged"), exact(directory / "single"));
}

TEST(Merge, StoresThatAreNoShardsFollowOneAnother) {
    TemporaryDirectory directory;
    index_document(*open_writer(directory / "a"), {"x", "1", 3, 9});
    index_document(*open_writer(directory / "a"), {"y", "1", 2, 9});
    index_document(*open_writer(directory / "b"), {"z", "1", 2, 30});
    index_document(*open_writer(directory / "b"), {"x", "2", 5, 4});
    ASSERT_OK(merge(directory / "m", {directory / "a", directory / "b"}));
    index_document(*open_writer(directory / "single"), {"x", "2", 5, 4});
    index_document(*open_writer(directory / "single"), {"y", "1", 2, 9});
    index_document(*open_writer(directory / "single"), {"z", "1", 2, 30});
    EXPECT_EQ(exact(directory / "m"), exact(directory / "single"));
    // Into a store that has something: appended, and a changed document replaced.
    index_document(*open_writer(directory / "c"), {"y", "2", 1, 2});
    const auto report = merge(directory / "m", {directory / "c"});
    ASSERT_OK(report);
    EXPECT_EQ(report->replaced, 1u);
    EXPECT_EQ(content_of(directory / "m").texts.at("y"), text_of({"y", "2", 1, 2}));
    EXPECT_OK(verify_store(directory / "m"));
}

TEST(Merge, RefusesWhatDoesNotBelongTogether) {
    TemporaryDirectory directory;
    index_document(*open_writer(directory / "a"), {"x", "1", 3, 9});
    Fingerprint other = fingerprint();
    other.fields["model_hash"] = "m2";
    ASSERT_OK(StoreWriter::open(directory / "b", other, kShape));
    const auto differ = merge(directory / "m", {directory / "a", directory / "b"});
    ASSERT_FALSE(differ.ok());
    EXPECT_EQ(differ.error().code, ErrorCode::kMismatch);
    EXPECT_NE(differ.error().message.find("model_hash"), std::string::npos);
    EXPECT_FALSE(fs::exists(directory / "m"));
    const auto into = merge(directory / "b", {directory / "a"});
    ASSERT_FALSE(into.ok());
    EXPECT_NE(into.error().message.find("model_hash"), std::string::npos);
    EXPECT_FALSE(merge(directory / "a", {directory / "a"}).ok());
    EXPECT_FALSE(merge(directory / "m", {directory / "none"}).ok());
    EXPECT_FALSE(merge(directory / "m", {}).ok());
    EXPECT_FALSE(fs::exists(directory / "m"));
}

RC_GTEST_PROP(Merge, AnyShardsEqualASingleRun, ()) {
    TemporaryDirectory directory;
    const auto n = *rc::gen::inRange(1u, 9u);
    const auto shards = *rc::gen::inRange(1u, 5u);
    std::vector<TestDocument> list;
    for (uint32_t i = 0; i < n; ++i) {
        list.push_back({"p" + std::to_string(i), "1", *rc::gen::inRange(1u, 5u),
                        *rc::gen::element(0u, 1u, 13u, 300u, 2500u)});
    }
    for (const auto& document : list) index_document(*open_writer(directory / "single"), document);
    std::vector<std::string> parts;
    for (uint32_t s = 0; s < shards; ++s) {
        parts.push_back(directory / ("part" + std::to_string(s)));
        index_shard(parts.back(), list, s, shards);
    }
    RC_ASSERT(merge(directory / "merged", parts).ok());
    RC_ASSERT(exact(directory / "merged") == exact(directory / "single"));
    RC_ASSERT(verify_store(directory / "merged").ok());
}

}  // namespace
}  // namespace s3attn
