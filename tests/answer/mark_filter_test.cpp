#include "answer/mark_filter.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <regex>

#include "pieces.h"

namespace s3attn {
namespace {

std::string filtered(uint32_t n, std::string_view text) {
    MarkFilter filter(n);
    return filter_in_pieces(filter, text, {});
}

TEST(MarkFilter, PassesMarksOfEvidenceThatExists) {
    EXPECT_EQ(filtered(3, "Built in 1874 [2]."), "Built in 1874 [2].");
    EXPECT_EQ(filtered(3, "Both [1, 3] say so"), "Both [1, 3] say so");
    MarkFilter filter(3);
    filter_in_pieces(filter, "a [3] b [1] c [3]", {});
    EXPECT_EQ(filter.numbers(), (std::vector<uint32_t>{3, 1}));
}

TEST(MarkFilter, TakesOutNumbersThatDoNotExist) {
    EXPECT_EQ(filtered(3, "Paris [9]."), "Paris.");
    EXPECT_EQ(filtered(3, "Paris [9] is"), "Paris is");
    EXPECT_EQ(filtered(3, "Paris [0]"), "Paris");
    EXPECT_EQ(filtered(3, "Paris [2, 9]"), "Paris [2]");
    EXPECT_EQ(filtered(3, "[9] Paris"), "Paris");
    EXPECT_EQ(filtered(0, "Paris [1]"), "Paris");
    EXPECT_EQ(filtered(3, "x [99999999999999999999999]"), "x");
}

TEST(MarkFilter, LeavesOtherBracketsAlone) {
    for (const char* text :
         {"no marks", "a[i] = b[]", "[see note]", "([x])", "2]", "caf\xC3\xA9 []"}) {
        EXPECT_EQ(filtered(3, text), text);
    }
    EXPECT_EQ(filtered(3, "end [1"), "end");
}

TEST(MarkFilter, TrimsTheWholeText) { EXPECT_EQ(filtered(3, " \n a  b \n"), "a  b"); }

TEST(MarkFilter, HoldsBackOnlyWhatMayBeAMark) {
    MarkFilter filter(3);
    EXPECT_EQ(filter.feed("Paris"), "Paris");
    EXPECT_EQ(filter.feed(" is [1"), " is");
    EXPECT_EQ(filter.feed("] big"), " [1] big");
}

RC_GTEST_PROP(MarkFilterProperty, PiecesDoNotMatter, ()) {
    const std::string text = *text_of(
        {"[", "]", "1", "2", "9", ", ", "-", ";", " ", "\n", "a", ".", "\xC3\xA9", "[1]", "[7]"});
    MarkFilter whole(3), cut(3);
    const std::string expected = filter_in_pieces(whole, text, {});
    RC_ASSERT(filter_in_pieces(cut, text, *piece_lengths()) == expected);
    RC_ASSERT(cut.numbers() == whole.numbers());
}

RC_GTEST_PROP(MarkFilterProperty, NoMarkNamesWhatDoesNotExist, ()) {
    const std::string text = *text_of({"[", "]", "1", "2", "9", ", ", " ", "a", ".", "[1]", "[7]"});
    MarkFilter filter(3);
    const std::string out = filter_in_pieces(filter, text, *piece_lengths());
    static const std::regex kMark(R"(\[([0-9]+)\])");
    for (std::sregex_iterator mark(out.begin(), out.end(), kMark), end; mark != end; ++mark) {
        RC_ASSERT((*mark)[1].length() == 1);
        RC_ASSERT((*mark)[1].str() >= "1");
        RC_ASSERT((*mark)[1].str() <= "3");
    }
    for (const uint32_t number : filter.numbers()) RC_ASSERT(number >= 1 && number <= 3);
}

RC_GTEST_PROP(MarkFilterProperty, TextWithoutMarksIsUnchanged, ()) {
    const std::string inner =
        *text_of({"word", " ", "\n", "1", "9", "(", ")", "]", ".", "\xE6\x97\xA5"});
    const std::string text = "a" + inner + "z";
    MarkFilter filter(3);
    RC_ASSERT(filter_in_pieces(filter, text, *piece_lengths()) == text);
}

}  // namespace
}  // namespace s3attn
