#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <numeric>

#include "answer/answer.h"
#include "pieces.h"

namespace s3attn {
namespace {

TEST(Prompt, NumbersFollowTheDocument) {
    const std::vector<Span> spans = {make_span(500, "third"), make_span(20, "first"),
                                     make_span(300, "second")};
    const Prompt prompt = build_prompt("Why?", spans, class_of({}));
    EXPECT_EQ(prompt.numbers, (std::vector<uint32_t>{3, 1, 2}));
    // The best (rank 0) stands last.
    const std::string& text = prompt.messages.back().text;
    EXPECT_LT(text.find("[2] second"), text.find("[1] first"));
    EXPECT_LT(text.find("[1] first"), text.find("[3] third"));
    EXPECT_NE(text.find("[2] second"), std::string::npos);
}

TEST(Prompt, TheLastTurnIsTheUsersAndEndsWithTheQuestion) {
    const Prompt prompt =
        build_prompt("Who built it?", {make_span(0, "Solberg built it.")}, class_of({}));
    ASSERT_FALSE(prompt.messages.empty());
    EXPECT_EQ(prompt.messages.back().role, "user");
    const std::string& text = prompt.messages.back().text;
    EXPECT_LT(text.find("Solberg built it."), text.find("Who built it?"));
}

RC_GTEST_PROP(PromptProperty, EvidenceIsVerbatimAndNumberedInOriginalOrder, ()) {
    const auto texts =
        *rc::gen::container<std::vector<std::string>>(rc::gen::arbitrary<std::string>());
    std::vector<size_t> place(texts.size());
    std::iota(place.begin(), place.end(), size_t{0});
    // Any order of rank: a permutation drawn as sort keys.
    const auto keys =
        *rc::gen::container<std::vector<int>>(texts.size(), rc::gen::arbitrary<int>());
    std::stable_sort(place.begin(), place.end(),
                     [&](size_t a, size_t b) { return keys[a] < keys[b]; });
    std::vector<Span> spans;
    for (const size_t at : place) spans.push_back(make_span(1000 * at, texts[at]));

    const Prompt prompt = build_prompt("Which?", spans, class_of({}));
    RC_ASSERT(prompt.numbers.size() == spans.size());
    const std::string& user = prompt.messages.back().text;
    size_t from = 0;
    for (size_t i = spans.size(); i-- > 0;) {
        const std::string shown = "[" + std::to_string(place[i] + 1) + "] " + spans[i].text;
        from = user.find(shown, from);
        RC_ASSERT(from != std::string::npos);
        from += shown.size();
    }
    for (size_t i = 0; i < place.size(); ++i) RC_ASSERT(prompt.numbers[i] == place[i] + 1);
}

}  // namespace
}  // namespace s3attn
