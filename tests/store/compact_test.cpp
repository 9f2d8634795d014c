// Joining segments changes nothing that a search can see.
#include "store/compact.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <filesystem>

#include "store/segment_file.h"
#include "store_test_util.h"

namespace s3attn {
namespace {

using namespace store_test;

std::vector<SegmentRow> rows_of(const std::vector<uint64_t>& sizes) {
    std::vector<SegmentRow> rows;
    uint64_t base = 0;
    for (const uint64_t n : sizes) {
        SegmentRow row;
        row.base = base;
        row.n_tokens = n;
        base += n;
        rows.push_back(row);
    }
    return rows;
}

TEST(PlanMerge, WaitsForEightOfASize) {
    EXPECT_FALSE(plan_merge({}).has_value());
    EXPECT_FALSE(plan_merge(rows_of(std::vector<uint64_t>(7, 100))).has_value());
    EXPECT_EQ(plan_merge(rows_of(std::vector<uint64_t>(8, 100))), std::pair(size_t{0}, size_t{8}));
    std::vector<uint64_t> sizes = {200000, 200000};
    sizes.insert(sizes.end(), 8, 16384);
    EXPECT_EQ(plan_merge(rows_of(sizes)), std::pair(size_t{2}, size_t{8}));
}

TEST(PlanMerge, StopsAtTheLargestSegment) {
    EXPECT_FALSE(plan_merge(rows_of(std::vector<uint64_t>(50, 3 << 20))).has_value());
    const auto plan = plan_merge(rows_of(std::vector<uint64_t>(8, 2 << 20)));
    ASSERT_TRUE(plan.has_value());
    EXPECT_EQ(plan->second, 2u);
}

// Simulates a long run: few segments, and each token rewritten a logarithmic number of times.
TEST(PlanMerge, KeepsSegmentsFewAtLogarithmicCost) {
    std::vector<uint64_t> sizes;
    uint64_t written = 0;
    constexpr uint64_t kCommits = 1000, kTokens = 16384;
    for (uint64_t i = 0; i < kCommits; ++i) {
        sizes.push_back(kTokens);
        while (const auto plan = plan_merge(rows_of(sizes))) {
            const auto first = sizes.begin() + static_cast<ptrdiff_t>(plan->first);
            uint64_t sum = 0;
            for (size_t j = 0; j < plan->second; ++j) sum += first[static_cast<ptrdiff_t>(j)];
            written += sum;
            *first = sum;
            sizes.erase(first + 1, first + static_cast<ptrdiff_t>(plan->second));
        }
        ASSERT_LE(sizes.size(), 32u);
    }
    EXPECT_LE(written, 4 * kCommits * kTokens);
}

RC_GTEST_PROP(PlanMerge, AlwaysEnds, ()) {
    auto sizes = *rc::gen::container<std::vector<uint64_t>>(rc::gen::inRange<uint64_t>(1, 5 << 20));
    for (size_t step = sizes.size() + 1; const auto plan = plan_merge(rows_of(sizes)); --step) {
        RC_ASSERT(step > 0u);
        const auto first = sizes.begin() + static_cast<ptrdiff_t>(plan->first);
        uint64_t sum = 0;
        for (size_t j = 0; j < plan->second; ++j) sum += first[static_cast<ptrdiff_t>(j)];
        RC_ASSERT(plan->second >= 2 && sum <= kMaxMergedTokens);
        *first = sum;
        sizes.erase(first + 1, first + static_cast<ptrdiff_t>(plan->second));
    }
}

TEST(Compact, MergedEqualsUnmerged) {
    TemporaryDirectory directory;
    // Sections of 90 to 2,110 tokens, so merged blocks begin and end inside sections.
    std::vector<TestDocument> documents;
    for (uint32_t i = 0; i < 24; ++i) {
        documents.push_back({"d" + std::to_string(i), "1", 3 + i % 5, 30 + (i % 3) * 200});
    }
    {
        const auto writer = open_writer(directory / "merged");
        for (const auto& document : documents) index_document(*writer, document, 2);
        const auto whole = open_writer(directory / "whole");
        for (const auto& document : documents) {
            ASSERT_OK(whole->begin_document(header_of(document)));
            add_units(*whole, document, 0, document.n_units);
            ASSERT_OK(whole->end_document());
        }
        ASSERT_OK(whole->commit());
    }
    EXPECT_EQ(open_reader(directory / "whole")->segments().size(), 1u);
    const size_t segments = open_reader(directory / "merged")->segments().size();
    EXPECT_LT(segments, 9u);
    EXPECT_EQ(files_in(directory / "merged", ".seg").size(), segments) << "old files go";
    EXPECT_EQ(content_of(directory / "merged"), content_of(directory / "whole"));
    EXPECT_OK(verify_store(directory / "merged"));
}

TEST(Compact, DeadPositionsAreDropped) {
    TemporaryDirectory directory;
    const std::string store = directory / "s";
    {
        const auto writer = open_writer(store);
        for (uint32_t i = 0; i < 8; ++i) {
            index_document(*writer, {"d" + std::to_string(i), "1", 10, 150});
        }
    }
    ASSERT_EQ(open_reader(store)->segments().size(), 1u);
    const uint64_t postings = open_reader(store)->segments()[0]->n_postings();
    for (uint32_t i = 0; i < 4; ++i) ASSERT_OK(remove_document(store, "d" + std::to_string(i)));
    EXPECT_EQ(open_reader(store)->segments()[0]->n_postings(), postings) << "half: not yet";
    ASSERT_OK(remove_document(store, "d4"));
    EXPECT_LT(open_reader(store)->segments()[0]->n_postings(), postings / 2);
    ASSERT_OK(remove_document(store, "d6"));
    EXPECT_OK(verify_store(store));
    index_document(*open_writer(directory / "t"), {"d5", "1", 10, 150});
    index_document(*open_writer(directory / "t"), {"d7", "1", 10, 150});
    EXPECT_EQ(content_of(store), content_of(directory / "t"));
    // Positions are never renumbered or handed out again.
    index_document(*open_writer(store), {"new", "1", 1, 10});
    EXPECT_EQ(open_reader(store)->live_units().back().position_begin, TokenPosition(12000));
}

// Random histories of index, interrupt, replace and remove against a plain model of them.
RC_GTEST_PROP(Compact, AnyHistoryEqualsAFreshStore, ()) {
    TemporaryDirectory directory;
    const std::string store = directory / "s";
    std::map<std::string, TestDocument> expected;
    const auto steps = *rc::gen::inRange(1, 30);
    auto writer = open_writer(store);
    for (int step = 0; step < steps; ++step) {
        const std::string path = "p" + std::to_string(*rc::gen::inRange(0, 5));
        const TestDocument document{path, std::to_string(*rc::gen::inRange(0, 3)),
                                    *rc::gen::inRange(1u, 6u), *rc::gen::element(1u, 40u, 900u)};
        switch (*rc::gen::inRange(0, 6)) {
            case 0: {
                const auto removed = writer->remove_document(id_of(store, path));
                if (expected.erase(path) == 1) RC_ASSERT(removed.ok());
                break;
            }
            case 1:  // drops what was interrupted along with its writer
                writer.reset();
                writer = open_writer(store);
                break;
            default: {
                // Same hash, same document: units must not depend on the random sizes.
                TestDocument whole = document;
                whole.n_units = 2 + static_cast<uint32_t>(whole.version[0] - '0');
                whole.unit_tokens = 40 + 700 * static_cast<uint32_t>(whole.version[0] - '0');
                index_document(*writer, whole, document.n_units);
                expected[path] = whole;
            }
        }
    }
    writer.reset();
    const auto verified = verify_store(store);
    RC_ASSERT(verified.ok());
    RC_ASSERT(verified->documents == expected.size());
    Content fresh;
    if (!expected.empty()) {
        for (const auto& [path, document] : expected) {
            index_document(*open_writer(directory / "fresh"), document);
        }
        fresh = content_of(directory / "fresh");
    }
    const Content content = content_of(store);
    RC_ASSERT(content.texts == fresh.texts);
    RC_ASSERT(content.postings == fresh.postings);
    RC_ASSERT(content.words == fresh.words);
}

}  // namespace
}  // namespace s3attn
