#include "eval/run_record.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "eval/summary.h"
#include "temporary_files.h"

namespace s3attn::eval {
namespace {

Json a_row(const std::string& id) {
    return {{"id", id}, {"method", "a"}, {"metrics", {{"r1", 1.0}}}};
}

TEST(RunRecord, GoesOnAfterATornLine) {
    TemporaryFiles files;
    const std::string out = files / "run";
    const Json options{{"seed", 1}, {"methods", {"a", "b"}}};
    {
        auto record = RunRecord::open(out, options);
        ASSERT_TRUE(record.ok());
        EXPECT_FALSE((*record)->resumed());
        ASSERT_TRUE((*record)->add_row(a_row("1")).ok());
        ASSERT_TRUE((*record)->add_row(a_row("2")).ok());
    }
    std::ofstream(out + "/rows.jsonl", std::ios::app) << "{\"id\": \"3\", \"te";
    {
        auto record = RunRecord::open(out, options);
        ASSERT_TRUE(record.ok());
        EXPECT_TRUE((*record)->resumed());
        ASSERT_EQ((*record)->rows().size(), 2u);
        ASSERT_TRUE((*record)->add_row(a_row("3")).ok());
    }
    auto record = RunRecord::open(out, options);
    ASSERT_TRUE(record.ok());
    ASSERT_EQ((*record)->rows().size(), 3u);
    EXPECT_EQ((*record)->rows()[2]["id"], "3");
}

TEST(RunRecord, NamesTheOptionThatDiffers) {
    TemporaryFiles files;
    const std::string out = files / "run";
    ASSERT_TRUE(RunRecord::open(out, {{"seed", 1}, {"model", "x"}}).ok());
    const auto differs = RunRecord::open(out, {{"seed", 2}, {"model", "x"}});
    ASSERT_FALSE(differs.ok());
    EXPECT_EQ(differs.error().code, ErrorCode::kMismatch);
    EXPECT_NE(differs.error().message.find("seed was 1"), std::string::npos);
    EXPECT_FALSE(RunRecord::open(out, {{"seed", 1}}).ok());
    EXPECT_FALSE(RunRecord::open(out, {{"seed", 1}, {"model", "x"}, {"more", 0}}).ok());
    EXPECT_TRUE(RunRecord::open(out, {{"seed", 1}, {"model", "x"}}).ok());
}

TEST(RunRecord, DamageIsToldNotGuessedAround) {
    TemporaryFiles files;
    const std::string out = files / "run";
    ASSERT_TRUE(RunRecord::open(out, {{"seed", 1}}).ok());
    std::ofstream(out + "/rows.jsonl") << "{\"method\": \"a\"}\nnonsense\n";
    const auto damaged = RunRecord::open(out, {{"seed", 1}});
    ASSERT_FALSE(damaged.ok());
    EXPECT_NE(damaged.error().message.find("line 2"), std::string::npos);
}

// Whoever reads rows takes their fields for what a run writes.
TEST(RunRecord, RowsThatNoRunWritesAreToldByLine) {
    TemporaryFiles files;
    const std::string out = files / "run", good = dump_json(a_row("1")) + "\n";
    ASSERT_TRUE(RunRecord::open(out, {{"seed", 1}}).ok());
    for (const std::string line :
         {R"({"id":3,"method":"a","metrics":{}})", R"({"id":"1","method":7,"metrics":{}})",
          R"({"id":"1","method":"a"})", R"({"id":"1","metrics":{}})",
          R"({"id":"1","method":"a","metrics":{"r1":"x"}})",
          R"({"id":"1","method":"a","metrics":[1]})",
          R"({"id":"1","method":"a","metrics":{},"seconds":[1]})",
          R"({"id":"1","method":"a","metrics":{},"group":4})",
          R"({"id":"1","method":"a","metrics":{},"truncated":1})",
          R"({"method":"a","peak_rss_bytes":"x"})", R"([1])"}) {
        std::ofstream(out + "/rows.jsonl") << good << line << "\n" << good;
        const auto damaged = RunRecord::open(out, {{"seed", 1}});
        ASSERT_FALSE(damaged.ok()) << line;
        EXPECT_EQ(damaged.error().code, ErrorCode::kCorrupt) << line;
        EXPECT_NE(damaged.error().message.find("line 2"), std::string::npos) << line;
    }
    std::ofstream(out + "/rows.jsonl") << good << R"({"id":"1","method":"b","metrics":{"r1":null}})"
                                       << "\n";
    EXPECT_TRUE(RunRecord::open(out, {{"seed", 1}}).ok());
}

TEST(RunRecord, ARowThatIsThereTwiceIsToldByLine) {
    TemporaryFiles files;
    const std::string out = files / "run";
    ASSERT_TRUE(RunRecord::open(out, {{"seed", 1}}).ok());
    const std::string one = dump_json(a_row("1")) + "\n", two = dump_json(a_row("2")) + "\n";
    std::ofstream(out + "/rows.jsonl") << one << two << one;
    const auto doubled = RunRecord::open(out, {{"seed", 1}});
    ASSERT_FALSE(doubled.ok());
    EXPECT_NE(doubled.error().message.find("line 3"), std::string::npos);
    EXPECT_NE(doubled.error().message.find("line 1"), std::string::npos);
    Json other = a_row("1");
    other["budget"] = 64;
    std::ofstream(out + "/rows.jsonl") << one << two << dump_json(other) << "\n";
    EXPECT_TRUE(RunRecord::open(out, {{"seed", 1}}).ok());
}

TEST(RunRecord, TheSameDataUnderAnotherNameGoesOn) {
    TemporaryFiles files;
    const std::string out = files / "run";
    ASSERT_TRUE(RunRecord::open(out, {{"data", "a.jsonl"}, {"data_hash", "h"}}).ok());
    EXPECT_TRUE(RunRecord::open(out, {{"data", "b.jsonl"}, {"data_hash", "h"}}).ok());
    EXPECT_FALSE(RunRecord::open(out, {{"data", "a.jsonl"}, {"data_hash", "i"}}).ok());
}

TEST(RunRecord, OneRunAtATime) {
    TemporaryFiles files;
    const std::string out = files / "run";
    auto first = RunRecord::open(out, {{"seed", 1}});
    ASSERT_TRUE(first.ok());
    const auto second = RunRecord::open(out, {{"seed", 1}});
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().code, ErrorCode::kBusy);
    EXPECT_NE(second.error().message.find("--out"), std::string::npos);
    first->reset();
    EXPECT_TRUE(RunRecord::open(out, {{"seed", 1}}).ok());
}

TEST(RunRecord, RowsOfManyThreadsAreWhole) {
    TemporaryFiles files;
    const std::string out = files / "run";
    {
        auto record = RunRecord::open(out, Json::object());
        ASSERT_TRUE(record.ok());
        std::vector<std::thread> threads;
        for (int t = 0; t < 4; ++t) {
            threads.emplace_back([&record, t] {
                for (int i = 0; i < 100; ++i) {
                    EXPECT_TRUE((*record)->add_row({{"t", t}, {"i", i}}).ok());
                }
            });
        }
        for (std::thread& thread : threads) thread.join();
    }
    auto record = RunRecord::open(out, Json::object());
    ASSERT_TRUE(record.ok());
    EXPECT_EQ((*record)->rows().size(), 400u);
}

Json row(const std::string& id, const std::string& group, const std::string& method, double value) {
    return {{"id", id}, {"group", group}, {"method", method}, {"metrics", {{"ev1024", value}}}};
}

TEST(Summary, MeansPairsAndGroups) {
    const std::vector<Json> rows{row("1", "x", "a", 1), row("1", "x", "b", 0),
                                 row("2", "y", "a", 0), row("2", "y", "b", 0),
                                 row("3", "y", "a", 1)};  // b has no third row
    const Json summary = summarise(rows, {"a", "b"}, 0);
    EXPECT_EQ(summary[0]["group"], "all");
    EXPECT_EQ(summary[0]["budget"], 1024);
    EXPECT_NEAR(summary[0]["mean"].get<double>(), 2.0 / 3, 1e-12);
    EXPECT_EQ(summary[0]["n"], 3);
    EXPECT_EQ(summary.size(), 6u);  // two methods in each of all, x, y
    const Json paired = compare(rows, {"a", "b"}, "b", 0);
    EXPECT_EQ(paired[0]["n"], 2);
    EXPECT_NEAR(paired[0]["difference"].get<double>(), 0.5, 1e-12);
    EXPECT_EQ(paired[0]["baseline"], "b");
    EXPECT_TRUE(paired[0]["low"].is_null());  // two questions tell nothing about the others
    EXPECT_TRUE(summary[0]["high"].is_null());
}

}  // namespace
}  // namespace s3attn::eval
