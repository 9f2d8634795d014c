// Words in their normal form: what is one word, what it is called, and where it stands.
#include "text/word_cutter.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

#include "text/languages.h"

namespace s3attn::text {
namespace {

std::vector<std::string> forms(std::string_view text) {
    std::vector<std::string> forms;
    WordCutter().cut(text, [&](const Word& word) {
        forms.push_back(word.form);
        return true;
    });
    return forms;
}

using Forms = std::vector<std::string>;

TEST(WordCutter, CutsAtWhatIsNoLetterOrFigure) {
    EXPECT_EQ(forms("O'Malley's 2nd_try, re-run."),
              (Forms{"o", "malley", "s", "2nd", "try", "re", "run"}));
    EXPECT_EQ(forms("O\u2019Malley\u2019s\u00A0quadrangle"),
              (Forms{"o", "malley", "s", "quadrangle"}));
    EXPECT_TRUE(forms("").empty());
    EXPECT_TRUE(forms(" -- \xff\xfe \xc3").empty());
    EXPECT_EQ(forms("a\xff"
                    "b"),
              (Forms{"a", "b"}));
}

TEST(WordCutter, HasOneFormForOneWord) {
    for (const char* text : {"scientific", "scienti\uFB01c", "SCIENTIFIC", "scien\u00ADtific",
                             "scien\u200Btific", "scien\u2060tific", "\uFF53cientific"}) {
        EXPECT_EQ(forms(text), Forms{"scientific"}) << text;
    }
    EXPECT_EQ(forms("Nguye\u0302\u0303n"), forms("Nguy\u1EC5n"));
    EXPECT_EQ(forms("\u1112\u1161\u11AB\u1100\u1173\u11AF"), forms("\uD55C\uAE00"));  // Hangul
    EXPECT_EQ(forms("STRASSE"), forms("Stra\u00DFe"));
    EXPECT_EQ(forms("\uFF8A\uFF9F\uFF9D"), forms("\u30D1\u30F3"));  // half-width kana
}

TEST(WordCutter, LeavesOutMarks) {
    EXPECT_EQ(without_marks("caf\u00E9"), "cafe");
    EXPECT_EQ(without_marks("nguy\u1EC5n"), "nguyen");
    EXPECT_EQ(without_marks("\u0438\u0306"), "\u0438");
    EXPECT_EQ(without_marks("\u0627\u064E\u0644"), "\u0627\u0644");        // Arabic vowel point
    EXPECT_EQ(without_marks("\u05E9\u05C1\u05DC"), "\u05E9\u05DC");        // Hebrew point
    EXPECT_EQ(without_marks("\u0915\u093E\u0932"), "\u0915\u093E\u0932");  // a vowel is no accent
    EXPECT_EQ(without_marks("\u304C"), "\u304C");                          // ga is not ka
}

TEST(WordCutter, RaisedFiguresStandApart) {
    EXPECT_EQ(forms("10\u2076 1804\u00B9\u00B2 H\u2082O 1\u00BD"),
              (Forms{"10", "6", "1804", "12", "h2o", "1", "1", "2"}));
}

TEST(WordCutter, JoinsHalvesOverALineEnd) {
    EXPECT_EQ(forms("the quadr-\n  angle"), (Forms{"the", "quadr", "angle", "quadrangle"}));
    EXPECT_EQ(forms("quadr\u2010\r\nangle"), (Forms{"quadr", "angle", "quadrangle"}));
    EXPECT_EQ(forms("quadr\u00AD\nangle"), (Forms{"quadr", "angle", "quadrangle"}));
    EXPECT_EQ(forms("\u00FCber-\nraschung"), (Forms{"\u00FCber", "raschung", "\u00FCberraschung"}));
    EXPECT_EQ(forms("quadr- angle"), (Forms{"quadr", "angle"}));
    EXPECT_EQ(forms("quadr-\n\nangle"), (Forms{"quadr", "angle"}));
    EXPECT_EQ(forms("quadr\nangle"), (Forms{"quadr", "angle"}));
    EXPECT_EQ(forms("555-\n0199"), (Forms{"555", "0199"}));
}

TEST(WordCutter, SegmentsScriptsWithoutSpaces) {
    EXPECT_EQ(forms("\u5317\u4EAC\u5927\u5B66\u6821\u957F"),  // Beijing university, president
              (Forms{"\u5317\u4EAC", "\u5927\u5B66", "\u6821\u957F"}));
    EXPECT_GT(forms("\u0E20\u0E32\u0E29\u0E32\u0E44\u0E17\u0E22\u0E22\u0E32\u0E01").size(), 1u);
    EXPECT_EQ(forms("iPhone\u3092\u8CB7\u3046").front(), "iphone");
}

TEST(WordCutter, StopsWhenAsked) {
    int calls = 0;
    WordCutter().cut("one two three", [&](const Word&) { return ++calls < 2; });
    EXPECT_EQ(calls, 2);
}

// Bytes that mix ASCII, hyphens, line ends, half characters and characters of every kind.
rc::Gen<std::string> any_text() {
    const auto piece = rc::gen::oneOf(
        rc::gen::element<std::string>(
            "a", "Word", "-", "\n", "-\n", " ", "9", "\u00AD", "\u200B", "\uFB03", "\u00E9",
            "e\u0301", "\u4E2D\u6587", "\u0E44\u0E17", "\u00B2", "\u00BD", "\uFDFA", "\xC3",
            "\xF0\x9F", "\xED\xA0\x80", "\u0600", "\u1100\u1161", "\u0130", "\U0001D400", "\u0345"),
        rc::gen::container<std::string>(rc::gen::arbitrary<char>()));
    return rc::gen::map(rc::gen::container<std::vector<std::string>>(piece),
                        [](const std::vector<std::string>& pieces) {
                            std::string text;
                            for (const std::string& one : pieces) text += one;
                            return text;
                        });
}

RC_GTEST_PROP(WordCutter, OffsetsSliceTheSource, ()) {
    const std::string text = *any_text();
    size_t last_begin = 0, last_end = 0;
    WordCutter().cut(text, [&](const Word& word) {
        RC_ASSERT(!word.form.empty());
        RC_ASSERT(word.begin < word.end);
        RC_ASSERT(word.end <= text.size());
        if (word.again) {
            RC_ASSERT(word.end == last_end);
            RC_ASSERT(word.begin < last_begin);
        } else {
            RC_ASSERT(word.begin >= last_begin);
            RC_ASSERT(word.end >= last_end);
            last_begin = word.begin;
            last_end = word.end;
        }
        return true;
    });
}

// The slice alone, cut again, begins with the same word: the offsets are those of the word.
RC_GTEST_PROP(WordCutter, SlicesHoldTheirWords, ()) {
    const std::string text = *any_text();
    std::vector<Word> words;
    WordCutter().cut(text, [&](const Word& word) {
        if (!word.again && word.script != Script::kUnspaced) words.push_back(word);
        return true;
    });
    for (const Word& word : words) {
        const Forms cut = forms(std::string_view(text).substr(word.begin, word.end - word.begin));
        RC_ASSERT(std::find(cut.begin(), cut.end(), word.form) != cut.end());
    }
}

TEST(Languages, AreToldFromTheText) {
    EXPECT_EQ(detect_language("Die H\u00E4user der alten Stadt wurden von den B\u00FCrgern gebaut, "
                              "und viele stehen noch heute an den Ufern des Flusses."),
              "de");
    EXPECT_EQ(detect_language("The houses of the old town were built by its citizens, and many of "
                              "them still stand on the banks of the river."),
              "en");
    EXPECT_EQ(detect_language("xyz 12"), "");
    EXPECT_EQ(detect_language("\xff\xfe\x00"), "");
    // Only the beginning is looked at, up to a whole character.
    for (const std::string first : {"", "a"}) {
        std::string text = first;
        while (text.size() < 200'000) text += "Дома старого города построили его жители. ";
        EXPECT_EQ(detect_language(text), "ru") << first;
    }
}

TEST(Languages, StemTheWordsThatAreWrittenInTheirScript) {
    EXPECT_EQ(language_of_word(Script::kLatin, "de"), "de");
    EXPECT_EQ(language_of_word(Script::kLatin, "ru"), "en");
    EXPECT_EQ(language_of_word(Script::kCyrillic, "ru"), "ru");
    EXPECT_EQ(language_of_word(Script::kCyrillic, "bg"), "bg");
    EXPECT_EQ(language_of_word(Script::kNone, "de"), "en");
    EXPECT_EQ(language_of_word(Script::kUnspaced, "zh"), "");
    Stemmers stemmers;
    EXPECT_EQ(stemmers.stem("h\u00E4user", "de"), "haus");
    EXPECT_EQ(stemmers.stem("nesting", "en"), "nest");
    EXPECT_EQ(stemmers.stem("caf\u00E9s", "vi"), "cafes");  // no stemmer
}

}  // namespace
}  // namespace s3attn::text
