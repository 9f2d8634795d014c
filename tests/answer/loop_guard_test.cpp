#include "answer/loop_guard.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "pieces.h"

namespace s3attn {
namespace {

std::string repeated(const std::string& text, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) out += text;
    return out;
}

// The text as shown, with the blanks at its end dropped as MarkFilter drops them.
std::string guarded(const std::string& text, bool expect_loop) {
    LoopGuard guard;
    std::string out = filter_in_pieces(guard, text, {});
    EXPECT_EQ(guard.looping(), expect_loop) << text;
    out.erase(out.find_last_not_of(" \n") + 1);
    return out;
}

TEST(LoopGuard, ShowsALoopOnce) {
    EXPECT_EQ(guarded(repeated("The Opera ghost! ", 12), true), "The Opera ghost!");
    EXPECT_EQ(guarded(repeated("It was built in 1874 by Ingrid Solberg. ", 3), true),
              "It was built in 1874 by Ingrid Solberg.");
    EXPECT_EQ(guarded("He said. " + repeated("She left the house in the rain. ", 4), true),
              "He said. She left the house in the rain.");
}

TEST(LoopGuard, GoesOnToTheEndOfTheSentence) {
    // The repetition starts at the second " was born in the town of Rouen."
    EXPECT_EQ(guarded("Erik was born in the town of Rouen. " +
                          repeated("He was born in the town of Rouen. ", 5),
                      true),
              "Erik was born in the town of Rouen. He was born in the town of Rouen.");
    EXPECT_EQ(guarded(repeated("red and green and blue and ", 5), true),
              "red and green and blue and");
}

TEST(LoopGuard, CaseAndListNumbersAreNoDifference) {
    std::string list;
    for (int i = 1; i <= 9; ++i) list += std::to_string(i) + ". The opera ghost is in box five.\n";
    EXPECT_EQ(guarded(list, true), "1. The opera ghost is in box five.");
    EXPECT_EQ(guarded(repeated("The ghost of the Opera. the Ghost of the opera. ", 3), true),
              "The ghost of the Opera.");
}

TEST(LoopGuard, ShortAndLongPeriods) {
    EXPECT_EQ(guarded(repeated("ha ", 40), true), "ha");
    std::string paragraph;
    for (int i = 0; i < 40; ++i) paragraph += "word" + std::to_string(i * 7919 % 97) + " ";
    paragraph.back() = '.';
    paragraph += " ";
    ASSERT_LT(paragraph.size(), LoopGuard::kMaxPeriod);
    EXPECT_EQ(guarded(repeated(paragraph, 3) + "w", true) + " ", paragraph);
}

TEST(LoopGuard, OtherScripts) {
    EXPECT_EQ(guarded(repeated("歌劇座の怪人がいる。", 5), true), "歌劇座の怪人がいる。");
}

TEST(LoopGuard, WhatRepeatsOrdinarilyPasses) {
    std::string years;
    for (int year = 1980; year < 1999; ++year) years += std::to_string(year) + ": nothing.\n";
    for (const std::string& text : std::vector<std::string>{
             "No, no, no!", "Row, row, row your boat, gently down the stream.",
             repeated("And the wind, it whistled through the bare trees of winter.\n", 2) +
                 "Then spring.",
             "1. Box Five: the ghost.\n2. Box Six: the ghost.\n3. Box Seven: the ghost.\n",
             "| a | b |\n|-----------------------------------------------|---|\n| 1 | 2 |", years,
             "", "one word"}) {
        LoopGuard guard;
        EXPECT_EQ(filter_in_pieces(guard, text, {}), text);
        EXPECT_FALSE(guard.looping());
    }
}

TEST(LoopGuard, HoldsBackLittle) {
    LoopGuard guard;
    const std::string text =
        "The lighthouse at Cape Varden was built by the engineer Ingrid Solberg";
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        out += guard.feed(text.substr(i, 1));
        EXPECT_GE(out.size() + 8, i + 1);
    }
}

TEST(LoopGuard, StaysSilentAfterTheLoop) {
    LoopGuard guard;
    guard.feed(repeated("The Opera ghost! ", 12));
    ASSERT_TRUE(guard.looping());
    EXPECT_EQ(guard.feed("More."), "");
    EXPECT_EQ(guard.finish(), "");
}

RC_GTEST_PROP(LoopGuardProperty, PiecesDoNotMatter, ()) {
    const std::string text =
        *text_of({"ghost ", "a. ", "b", "1. ", "\n", "\xE6\x97\xA5",
                  repeated("The same sentence again. ", 3), repeated("x ", 30)});
    LoopGuard whole, cut;
    const std::string expected = filter_in_pieces(whole, text, {});
    RC_ASSERT(filter_in_pieces(cut, text, *piece_lengths()) == expected);
    RC_ASSERT(cut.looping() == whole.looping());
    // Shown text is a beginning of the text, all of it without a loop, never half a character.
    RC_ASSERT(text.starts_with(expected));
    RC_ASSERT(whole.looping() || expected == text);
    RC_ASSERT(expected.size() == text.size() || (text[expected.size()] & 0xC0) != 0x80);
}

RC_GTEST_PROP(LoopGuardProperty, ThreeTimesIsFoundTwiceIsNot, ()) {
    // Distinct words, so that nothing shorter repeats.
    const int words = *rc::gen::inRange(5, 40);
    std::string sentence;
    for (int i = 0; i < words; ++i) sentence += "w" + std::to_string(1000 + i) + " ";
    sentence += "end. ";
    LoopGuard twice, thrice;
    RC_ASSERT(filter_in_pieces(twice, repeated(sentence, 2), {}) == repeated(sentence, 2));
    const std::string out = filter_in_pieces(thrice, repeated(sentence, 3), *piece_lengths());
    RC_ASSERT(thrice.looping());
    RC_ASSERT(out == sentence);
}

}  // namespace
}  // namespace s3attn
