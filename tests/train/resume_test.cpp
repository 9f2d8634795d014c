// Interrupted runs and sweeps over the fake model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "fake_text.h"
#include "model/fake_model.h"
#include "train/pipeline.h"

namespace s3attn {
namespace {

using testing::HasSubstr;
using testing::Not;

class ResumeTest : public testing::Test {
  protected:
    void SetUp() override {
        directory_ =
            std::filesystem::temp_directory_path() / ("s3attn_resume_" + std::to_string(getpid()));
        std::filesystem::create_directories(directory_);
        options_.model = "fake.gguf";
        options_.corpus = {"texts"};
        options_.out = "adapter";
        options_.work = (directory_ / "work").string();
        options_.n_heads = 3;
        options_.max_layer = 2;
        options_.latents = 128;
        options_.k = 4;
        options_.sae_steps = 30;
        options_.sae_tokens = 8000;
        options_.cloze_pairs = 150;
        options_.query_steps = 10;
        options_.threads = 2;
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    // Runs until the sink has seen `updates` reports; then the token is set, as Ctrl-C would.
    Result<TrainedAdapter> run(int updates = 1 << 30, int* captures = nullptr) {
        struct Stopper final : ProgressSink {
            void update(const Progress&) override {
                if (--left == 0) token.cancel();
            }
            void note(const std::string& message) override { notes += message + "\n"; }
            int left = 0;
            CancelToken token;
            std::string notes;
        } sink;
        sink.left = updates;
        FakeOptions fake;
        fake.on_capture = [&]() -> Status {
            if (captures) ++*captures;
            return {};
        };
        const auto scanner = make_fake_scanner(fake);
        auto result = run_training(*scanner, fake_corpus(220, 1), options_, sink, sink.token);
        notes_ = sink.notes;
        return result;
    }

    // Without what depends on the clock.
    static nlohmann::json record(const TrainedAdapter& trained) {
        auto record = nlohmann::json::parse(trained.record);
        for (const char* field : {"seconds", "stage_seconds", "peak_rss_bytes"}) {
            EXPECT_TRUE(record.contains(field));
            record.erase(field);
        }
        return record;
    }

    std::filesystem::path directory_;
    TrainOptions options_;
    std::string notes_;
};

void expect_same(const TrainedAdapter& a, const TrainedAdapter& b) {
    EXPECT_EQ(a.adapter.key_side_hash, b.adapter.key_side_hash);
    EXPECT_EQ(a.adapter.evidence_floor, b.adapter.evidence_floor);
    ASSERT_EQ(a.adapter.heads.size(), b.adapter.heads.size());
    for (size_t i = 0; i < a.adapter.heads.size(); ++i) {
        const QueryHead &x = a.adapter.heads[i], &y = b.adapter.heads[i];
        EXPECT_EQ(std::tie(x.layer, x.query_head, x.map, x.bias, x.token_weight, x.mean_query,
                           x.temperature, x.mixture),
                  std::tie(y.layer, y.query_head, y.map, y.bias, y.token_weight, y.mean_query,
                           y.temperature, y.mixture));
    }
    for (size_t i = 0; i < a.adapter.slots.size(); ++i) {
        EXPECT_EQ(a.adapter.slots[i].mean_activation, b.adapter.slots[i].mean_activation);
    }
}

TEST_F(ResumeTest, AnyNumberOfInterruptionsGivesTheSameAdapter) {
    const std::string work = std::exchange(options_.work, "");
    const auto whole = run();
    ASSERT_TRUE(whole.ok()) << whole.error().message;
    options_.work = work;
    int interrupted = 0;
    for (int updates = 40;; updates += 70) {
        const auto part = run(updates);
        if (part.ok()) {
            expect_same(*part, *whole);
            EXPECT_EQ(record(*part), record(*whole));
            break;
        }
        EXPECT_EQ(part.error().code, ErrorCode::kCancelled);
        ASSERT_LT(++interrupted, 200);
    }
    EXPECT_GT(interrupted, 2);
    EXPECT_THAT(notes_, HasSubstr("resuming"));
    EXPECT_TRUE(std::filesystem::exists(directory_ / "work/heads.svg"));
}

TEST_F(ResumeTest, FinishedPartsAreNotDoneAgain) {
    int first = 0, second = 0;
    const auto whole = run(1 << 30, &first);
    const auto again = run(1 << 30, &second);
    ASSERT_TRUE(whole.ok() && again.ok());
    EXPECT_GT(first, 100);
    EXPECT_EQ(second, 0);
    expect_same(*whole, *again);
}

TEST_F(ResumeTest, AChangedOptionStartsItsPartOverAndSaysSo) {
    ASSERT_TRUE(run().ok());
    options_.sae_steps = 35;
    int captures = 0;
    const auto changed = run(1 << 30, &captures);
    ASSERT_TRUE(changed.ok());
    EXPECT_EQ(captures, 0);
    EXPECT_THAT(notes_, HasSubstr("sae-steps was 30, is 35"));
    options_.seed = 9;
    const auto other = run(1 << 30, &captures);
    ASSERT_TRUE(other.ok());
    EXPECT_GT(captures, 100);
    EXPECT_THAT(notes_, HasSubstr("starts over"));
    const std::string work = std::exchange(options_.work, "");
    const auto fresh = run();
    ASSERT_TRUE(fresh.ok());
    expect_same(*other, *fresh);
}

TEST_F(ResumeTest, SweepReusesHeadsAndKeysAndTrainsTheBest) {
    SweepOptions sweep;
    sweep.k = {2, 6};
    sweep.latents = {64, 128};
    QuietSink sink;
    const CancelToken never;
    const auto scanner = make_fake_scanner();
    const Corpus corpus = fake_corpus(220, 1);
    const auto swept = run_sweep(*scanner, corpus, options_, sweep, sink, never);
    ASSERT_TRUE(swept.ok()) << swept.error().message;
    const std::vector<SweepRow>& rows = swept->report.rows;
    ASSERT_EQ(rows.size(), 4u);
    EXPECT_EQ(rows[0].latents, 64u);
    EXPECT_EQ(rows[1].k, 6u);
    EXPECT_LT(rows[1].fvu, rows[0].fvu);  // more active features explain more
    EXPECT_LT(rows[0].bytes_per_token, rows[1].bytes_per_token);
    EXPECT_GT(rows[3].questions, 0u);
    EXPECT_GT(swept->report.exact.at_10, 0.5);
    ASSERT_TRUE(swept->best.has_value());
    EXPECT_EQ(swept->best->adapter.k, rows[swept->report.best].k);
    // The best of the sweep is what training with its options makes.
    options_.k = rows[swept->report.best].k;
    options_.latents = rows[swept->report.best].latents;
    options_.work.clear();
    const auto alone = run();
    ASSERT_TRUE(alone.ok());
    expect_same(*swept->best, *alone);
}

TEST_F(ResumeTest, SweepSaysHowSureItsBestIs) {
    options_.out.clear();
    SweepOptions sweep;
    sweep.k = {1, 8};
    QuietSink sink;
    const CancelToken never;
    const auto scanner = make_fake_scanner();
    const auto swept = run_sweep(*scanner, fake_corpus(220, 1), options_, sweep, sink, never);
    ASSERT_TRUE(swept.ok());
    const SweepReport& report = swept->report;
    for (size_t i = 0; i < report.rows.size(); ++i) {
        const SweepRow& row = report.rows[i];
        EXPECT_NEAR(row.recall.mean, (row.recall_at_5 + row.recall_at_10 + row.recall_at_20) / 3,
                    1e-9);
        EXPECT_LE(row.recall.low, row.recall.mean);
        EXPECT_GE(row.recall.high, row.recall.mean);
        EXPECT_NEAR(row.to_best.mean, row.recall.mean - report.rows[report.best].recall.mean, 1e-9);
        EXPECT_LE(row.to_best.low, row.to_best.mean);
    }
    EXPECT_LT(report.rows[1 - report.best].to_best.low, 0);
    EXPECT_EQ(report.rows[report.best].to_best.high, 0);
}

TEST_F(ResumeTest, SweepWithoutOutputTrainsNoQuerySide) {
    options_.out.clear();
    SweepOptions sweep;
    sweep.k = {2};
    QuietSink sink;
    const CancelToken never;
    const auto scanner = make_fake_scanner();
    const auto swept = run_sweep(*scanner, fake_corpus(220, 1), options_, sweep, sink, never);
    ASSERT_TRUE(swept.ok());
    EXPECT_FALSE(swept->best.has_value());
    EXPECT_THAT(sink.stages, Not(HasSubstr("query side")));
    sweep.k = {2, 65};
    const auto bad = run_sweep(*scanner, fake_corpus(220, 1), options_, sweep, sink, never);
    ASSERT_FALSE(bad.ok());
    EXPECT_THAT(bad.error().message, HasSubstr("k 65"));
}

TEST_F(ResumeTest, GivenAutoencodersAreUsedAndChecked) {
    const auto own = run();
    ASSERT_TRUE(own.ok());
    const std::string given = (directory_ / "given").string();
    ASSERT_TRUE(save_adapter(own->adapter, given).ok());
    options_.sae_dir = given;
    const auto reused = run();
    ASSERT_TRUE(reused.ok()) << reused.error().message;
    EXPECT_EQ(reused->adapter.k, own->adapter.k);
    EXPECT_EQ(reused->adapter.slots[0].sae.w_dec, own->adapter.slots[0].sae.w_dec);
    EXPECT_NEAR(reused->report.saes[0].fvu, own->report.saes[0].fvu, 1e-3);
    // A model with keys of another size.
    FakeOptions other;
    other.d_head = 16;
    options_.heads = own->report.chosen;
    const auto scanner = make_fake_scanner(other);
    options_.work.clear();
    QuietSink sink;
    const CancelToken never;
    const auto refused = run_training(*scanner, fake_corpus(220, 1), options_, sink, never);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::kMismatch);
    EXPECT_THAT(refused.error().message, HasSubstr("'d_in' is 32, expected 16"));
}

}  // namespace
}  // namespace s3attn
