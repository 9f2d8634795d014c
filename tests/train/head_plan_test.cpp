#include "train/head_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <pugixml.hpp>

#include "train/heat_map.h"

namespace s3attn {
namespace {

using testing::HasSubstr;

HeadReport report(uint32_t layer, uint32_t head, double recall) {
    return {{layer, head}, recall, recall, recall, 2};
}

// Two questions, thirty paragraphs; the head puts paragraph q at rank `rank` for question q.
std::vector<float> masses(size_t rank) {
    std::vector<float> all;
    for (size_t q = 0; q < 2; ++q) {
        for (size_t p = 0; p < 30; ++p) {
            const size_t place = (p + 30 - q) % 30;  // the gold paragraph has place 0
            all.push_back(place == 0 ? 1.0f : (place < rank ? 2.0f : 0.5f));
        }
    }
    return all;
}

Selection two_layers() {
    Selection selection;
    selection.paragraphs = 30;
    selection.questions = 2;
    selection.ranking = {report(1, 0, 0.9), report(0, 1, 0.4), report(0, 0, 0.2)};
    selection.masses = {{{1, 0}, masses(1)}, {{0, 1}, masses(8)}, {{0, 0}, masses(25)}};
    return selection;
}

TEST(HeadPlan, TradeOffIsWhatTheBestHeadsOfEachStopLayerFindTogether) {
    Selection selection = two_layers();
    add_trade_off(selection, 0, 1, 1, 4);
    ASSERT_EQ(selection.trade_off.size(), 2u);
    const StopLayerReport& shallow = selection.trade_off[0];
    EXPECT_EQ(shallow.layer, 0u);
    EXPECT_EQ(shallow.heads[0].query_head, 1u);  // the better head of layer 0
    EXPECT_EQ(shallow.recall_at_5, 0.0);
    EXPECT_EQ(shallow.recall_at_10, 1.0);
    EXPECT_EQ(shallow.share_scanned, 0.25);
    EXPECT_EQ(selection.trade_off[1].recall_at_5, 1.0);
    EXPECT_EQ(selection.trade_off[1].heads[0].layer, 1u);
    EXPECT_EQ(selection.masses.size(), 1u);  // only what a deeper layer can still want
}

TEST(HeadPlan, LayersInTwoGroupsGiveTheSameCurve) {
    Selection whole = two_layers(), first = two_layers();
    add_trade_off(whole, 0, 1, 2, 4);
    first.ranking.erase(first.ranking.begin());
    first.masses.erase({1, 0});
    add_trade_off(first, 0, 0, 2, 4);
    first.ranking = two_layers().ranking;
    first.masses[{1, 0}] = masses(1);
    add_trade_off(first, 1, 1, 2, 4);
    ASSERT_EQ(first.trade_off.size(), whole.trade_off.size());
    for (size_t i = 0; i < 2; ++i) {
        EXPECT_EQ(first.trade_off[i].recall_at_5, whole.trade_off[i].recall_at_5);
        EXPECT_EQ(first.trade_off[i].recall_at_10, whole.trade_off[i].recall_at_10);
    }
}

TEST(HeadPlan, CostModelTakesTheMostRecallPerLayer) {
    std::vector<StopLayerReport> curve;
    for (const auto& [layer, recall] : {std::pair{0u, 0.1}, {1u, 0.6}, {2u, 0.7}, {5u, 0.9}}) {
        curve.push_back({layer, {}, recall, recall, recall, 0});
    }
    EXPECT_EQ(best_layer_per_cost(curve), 1u);  // .1, .3, .233, .15
    EXPECT_EQ(best_layer_per_cost({}), 0u);
}

TEST(HeatMap, IsWellFormedAndShowsEveryHead) {
    const std::vector<HeadReport> ranking{report(2, 1, 0.9), report(2, 0, 0.5), report(3, 0, 0)};
    const std::string svg =
        heads_svg("a<b & c", ranking, {{{3, 1}, "keys are not finite"}}, {{2, 1}});
    pugi::xml_document document;
    ASSERT_TRUE(document.load_string(svg.c_str()));
    const pugi::xml_node root = document.child("svg");
    EXPECT_STREQ(root.attribute("xmlns").value(), "http://www.w3.org/2000/svg");
    EXPECT_STREQ(root.child_value("title"), "Which heads retrieve: a<b & c");
    size_t cells = 0, frames = 0;
    for (const auto& rect : root.children("rect")) {
        cells += !rect.child("title").empty();
        frames += !rect.attribute("stroke").empty();
    }
    EXPECT_EQ(cells, 3u);
    EXPECT_EQ(frames, 2u);  // the chosen head and the legend's
    for (const char* words : {"layer 2", "layer 3", "query head", "R@10 of one head", "0.90",
                              "cannot be used", "layer 2, head 1: R@5 0.900"}) {
        EXPECT_THAT(svg, HasSubstr(words));
    }
}

TEST(HeatMap, NothingToShowIsStillAPicture) {
    pugi::xml_document document;
    EXPECT_TRUE(document.load_string(heads_svg("m", {}, {}, {}).c_str()));
}

}  // namespace
}  // namespace s3attn
