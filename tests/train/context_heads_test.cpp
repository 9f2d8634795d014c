// Context heads chosen by inverse cloze in context, over the fake model.
#include "train/context_heads.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "fake_text.h"
#include "model/fake_model.h"

namespace s3attn {
namespace {

class Silent final : public ProgressSink {
  public:
    void update(const Progress&) override {}
    void note(const std::string&) override {}
};

ContextHeadOptions small() {
    ContextHeadOptions options;
    options.heads = 2;
    options.questions = 12;
    options.units = 6;
    return options;
}

std::unique_ptr<ContextModel> fake_model(uint32_t window = 8192) {
    FakeOptions options;
    options.n_layer = 6;
    options.context_tokens = window;
    return make_fake_context_model(options);
}

Corpus placed_corpus(uint32_t paragraphs) {
    Corpus corpus = fake_corpus(paragraphs, 1);
    for (uint32_t i = 0; i < paragraphs; ++i) corpus.places.push_back({0, i});
    return corpus;
}

std::vector<ContextTask> tasks_of(const ContextHeadOptions& options) {
    auto tasks = make_context_tasks(placed_corpus(60), options, 3, CancelToken());
    EXPECT_TRUE(tasks.ok()) << tasks.error().message;
    return std::move(tasks).value();
}

TEST(ContextTasks, OwnUnitIsAmongOthersAndWithoutItsSentence) {
    for (const bool keep : {false, true}) {
        ContextHeadOptions options = small();
        options.keep_sentence = keep;
        std::set<uint32_t> places;
        const auto tasks = tasks_of(options);
        ASSERT_EQ(tasks.size(), 12u);
        for (const ContextTask& task : tasks) {
            ASSERT_EQ(task.units.size(), 6u);
            EXPECT_EQ(std::set<std::string>(task.units.begin(), task.units.end()).size(), 6u);
            for (size_t u = 0; u < task.units.size(); ++u) {
                const bool holds = task.units[u].find(task.question) != std::string::npos;
                EXPECT_EQ(holds, keep && u == task.answer);
            }
            places.insert(task.answer);
        }
        EXPECT_GT(places.size(), 3u) << "the place must tell nothing";
    }
}

TEST(ContextTasks, TooLittleTextSaysSo) {
    const auto tasks = make_context_tasks(placed_corpus(3), small(), 3, CancelToken());
    ASSERT_FALSE(tasks.ok());
    EXPECT_EQ(tasks.error().code, ErrorCode::kInvalidArgument);
}

// Every head of the fake looks at equal words, so all find the unit and the deepest allowed layer
// bounds the choice.
TEST(ContextHeads, AreChosenUpToTheDeepestLayer) {
    Silent sink;
    const ContextHeadOptions options = small();
    EXPECT_EQ(deepest_context_layer(options, 6), 3u);
    ContextHeadOptions shallow = options;
    shallow.max_layer = 1;
    EXPECT_EQ(deepest_context_layer(shallow, 6), 1u);
    auto model = fake_model();
    const auto report =
        choose_context_heads(*model, tasks_of(options), options, 2, sink, CancelToken());
    ASSERT_TRUE(report.ok()) << report.error().message;
    EXPECT_EQ(report->questions, 12u);
    ASSERT_EQ(report->chosen.size(), 2u);
    EXPECT_EQ(report->ranking.size(), size_t{4} * model->info().n_head);
    for (size_t i = 1; i < report->ranking.size(); ++i) {
        EXPECT_LE(report->ranking[i].share, report->ranking[i - 1].share);
    }
    EXPECT_NEAR(report->chance, (1 + 1 / 2. + 1 / 3. + 1 / 4. + 1 / 5. + 1 / 6.) / 6, 1e-9);
    EXPECT_GT(report->together.share, report->chance);
    const ContextHeads heads = as_context_heads(*report);
    EXPECT_EQ(heads.heads.size(), 2u);
    EXPECT_LE(heads.deepest_layer(), 3u);
    const auto record = nlohmann::json::parse(context_record(*report, options));
    EXPECT_EQ(record["sentence"], "removed");
    EXPECT_EQ(record["ranking"].size(), report->ranking.size());
}

// The usual choice beside one with another option.
TEST(ContextHeads, EveryOptionOfTheChoiceChangesIt) {
    Silent sink;
    const auto chosen = [&](const std::function<void(ContextHeadOptions&)>& change) {
        ContextHeadOptions options = small();
        change(options);
        auto model = fake_model();
        auto report =
            choose_context_heads(*model, tasks_of(options), options, 2, sink, CancelToken());
        EXPECT_TRUE(report.ok()) << report.error().message;
        return std::move(report).value();
    };
    const ContextHeadReport usual = chosen([](ContextHeadOptions&) {});
    EXPECT_EQ(chosen([](auto& o) { o.heads = 3; }).chosen.size(), usual.chosen.size() + 1);
    EXPECT_EQ(chosen([](auto& o) { o.questions = 15; }).questions, 15u);
    EXPECT_GT(chosen([](auto& o) { o.units = 8; }).mean_tokens, usual.mean_tokens);
    EXPECT_LT(chosen([](auto& o) { o.max_layer = 1; }).ranking.size(), usual.ranking.size());
    EXPECT_GT(chosen([](auto& o) { o.keep_sentence = true; }).mean_tokens, usual.mean_tokens);
}

TEST(ContextHeads, RangesAreThoseOfTheModel) {
    const ModelInfo model = fake_model()->info();
    const auto refused = [&](const std::function<void(ContextHeadOptions&)>& change) {
        ContextHeadOptions options = small();
        change(options);
        const Status status = check_context_options(options, model);
        return status.ok() ? std::string() : status.error().message;
    };
    EXPECT_EQ(refused([](ContextHeadOptions&) {}), "");
    EXPECT_NE(refused([](auto& o) { o.max_layer = 6; }).find("layers 0 to 5"), std::string::npos);
    EXPECT_NE(refused([](auto& o) { o.max_layer = -2; }).find("-2"), std::string::npos);
    EXPECT_NE(refused([](auto& o) { o.heads = 64; }).find("64 heads"), std::string::npos);
}

TEST(ContextHeads, ThreadsChangeNothing) {
    Silent sink;
    const ContextHeadOptions options = small();
    const auto tasks = tasks_of(options);
    std::vector<std::string> records;
    for (const uint32_t threads : {1u, 3u}) {
        auto model = fake_model();
        auto report = choose_context_heads(*model, tasks, options, threads, sink, CancelToken());
        ASSERT_TRUE(report.ok()) << report.error().message;
        report->seconds = 0;
        records.push_back(context_record(*report, options));
    }
    EXPECT_EQ(records[0], records[1]);
}

TEST(ContextHeads, WindowThatHoldsNothingIsAnError) {
    Silent sink;
    const ContextHeadOptions options = small();
    auto model = fake_model(16);
    const auto report =
        choose_context_heads(*model, tasks_of(options), options, 1, sink, CancelToken());
    EXPECT_FALSE(report.ok());
}

// Attention of one unit alone, summed by plain loops over the fake's rows.
TEST(UnitContexts, SharesAreOfWhatFallsOnUnits) {
    auto model = fake_model();
    const auto context =
        lay_out_units(*model, {"red mill", "old red barn by the sea"}, "who sold it");
    ASSERT_TRUE(context.ok()) << context.error().message;
    ASSERT_EQ(context->units(), 2u);
    const size_t columns = context->tokens.size(), rows = columns - context->first_row;
    EXPECT_EQ(rows, 3u);
    std::vector<float> attention(rows * columns);
    Rng rng(4);
    for (float& value : attention) value = static_cast<float>(rng.uniform());
    const UnitAttentions spread = spread_over_units(*context, attention);
    for (size_t u = 0; u < 2; ++u) {
        double raw = 0, share = 0;
        for (size_t r = 0; r < rows; ++r) {
            double own = 0, all = 0;
            for (size_t c = 0; c < context->unit_begin[2]; ++c) {
                const bool is_own = c >= context->unit_begin[u] && c < context->unit_begin[u + 1];
                own += is_own ? double{attention[r * columns + c]} : 0;
                all += double{attention[r * columns + c]};
            }
            raw += own / 3;
            share += own / all / 3;
        }
        EXPECT_NEAR(spread.raw[u], raw, 1e-9);
        EXPECT_NEAR(spread.share[u], share, 1e-9);
    }
    EXPECT_NEAR(spread.share[0] + spread.share[1], 1, 1e-9);
}

TEST(UnitContexts, OnlyWhatFitsTheWindowIsLaidOut) {
    auto model = fake_model(24);
    const auto two = lay_out_units(
        *model, {"one two three", "four five six", std::string(200, '!')}, "which number");
    ASSERT_TRUE(two.ok()) << two.error().message;
    EXPECT_EQ(two->units(), 2u);
    const auto cut = lay_out_units(*model, {std::string(200, '!')}, "which number");
    ASSERT_TRUE(cut.ok());
    EXPECT_EQ(cut->units(), 1u);
    EXPECT_EQ(cut->tokens.size(), 24u);
    EXPECT_FALSE(lay_out_units(*model, {"one"}, std::string(60, '?')).ok());
}

}  // namespace
}  // namespace s3attn
