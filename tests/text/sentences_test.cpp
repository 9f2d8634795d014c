#include "text/sentences.h"

#include <gtest/gtest.h>

#include <string>

namespace s3attn {
namespace {

std::vector<std::string> split(const std::string& text) {
    std::vector<std::string> sentences;
    for (const auto& [begin, end] : split_sentences(text)) {
        sentences.push_back(text.substr(begin, end - begin));
    }
    return sentences;
}
using Strings = std::vector<std::string>;

TEST(Sentences, PlainEnglish) {
    EXPECT_EQ(split(" One is here. Two? Three! \"Four.\" Five"),
              (Strings{"One is here.", "Two?", "Three!", "\"Four.\"", "Five"}));
}

TEST(Sentences, NothingInNothing) {
    EXPECT_TRUE(split("").empty());
    EXPECT_TRUE(split(" \n\t\xC2\xA0\n").empty());
}

TEST(Sentences, AbbreviationsAndInitialsDoNotEnd) {
    EXPECT_EQ(split("I met Dr. Watson. He left."), (Strings{"I met Dr. Watson.", "He left."}));
    EXPECT_EQ(split("Mr. J. R. Smith came. Mrs. Jones went."),
              (Strings{"Mr. J. R. Smith came.", "Mrs. Jones went."}));
    EXPECT_EQ(split("See Fig. 3 and e.g. Berlin. Done."),
              (Strings{"See Fig. 3 and e.g. Berlin.", "Done."}));
    EXPECT_EQ(split("It was No. 5 of all. No. He left."),
              (Strings{"It was No. 5 of all.", "No.", "He left."}));
    EXPECT_EQ(split("Gerald and I. Nobody else."), (Strings{"Gerald and I.", "Nobody else."}));
}

TEST(Sentences, AbbreviationsOfOtherLanguages) {
    const Strings whole{
        "Das gilt z. B. für Abs. 3 und ggf. Berlin.",
        "Prof. Müller wohnt in der Nähe, vgl. Kap. 4 und S. 12.",
        "M. Dupont et Mme. Curie ont vu Mgr. Martin.",
        "El Sr. García y la Sra. López, véase pág. 7 y núm. 8.",
        "Работа проф. Иванова и акад. Павлова, см. рис. 3 и стр. 12.",
        "Он жил на ул. Ленина, т.е. Москва, обл. Тверь.",
        "Il dott. Rossi e il sig. Bianchi.",
        "Mevr. Jansen en drs. Bakker, zie blz. 9.",
    };
    for (const std::string& one : whole) {
        EXPECT_EQ(split(one + " Ende."), (Strings{one, "Ende."})) << one;
    }
}

TEST(Sentences, OrdinalsOfLanguagesThatWriteThemWithAStop) {
    EXPECT_EQ(split("Der Vertrag wurde am 3. Oktober im 19. Jahrhundert geschlossen. Das war 1850. "
                    "Danach kam der Krieg."),
              (Strings{"Der Vertrag wurde am 3. Oktober im 19. Jahrhundert geschlossen.",
                       "Das war 1850.", "Danach kam der Krieg."}));
    EXPECT_EQ(
        split("The committee counted the votes and found 12. Nobody had expected so many."),
        (Strings{"The committee counted the votes and found 12.", "Nobody had expected so many."}));
}

TEST(Sentences, FullWidthMarks) {
    EXPECT_EQ(split("他住在北京。她呢？真的！是的。"),
              (Strings{"他住在北京。", "她呢？", "真的！", "是的。"}));
    EXPECT_EQ(split("これは本です。誰が書きましたか？"),
              (Strings{"これは本です。", "誰が書きましたか？"}));
}

TEST(Sentences, WrappedLinesAreOneSentence) {
    EXPECT_EQ(split("The quick brown\nfox jumped over\r\nthe dog. Then it\nslept."),
              (Strings{"The quick brown\nfox jumped over\r\nthe dog.", "Then it\nslept."}));
}

TEST(Sentences, BlankLinesAndItemsAreBoundaries) {
    EXPECT_EQ(split("A title\n\nThe text"), (Strings{"A title", "The text"}));
    EXPECT_EQ(split("Dr.\n\nThe text"), (Strings{"Dr.", "The text"}));
    EXPECT_EQ(split("Buy:\n- milk\n- bread"), (Strings{"Buy:", "- milk", "- bread"}));
}

TEST(Sentences, OtherScripts) {
    EXPECT_EQ(split("\u543E\u8F29\u306F\u732B\u3002\u540D\u524D\u306F\u7121\u3044\u3002"),
              (Strings{"\u543E\u8F29\u306F\u732B\u3002", "\u540D\u524D\u306F\u7121\u3044\u3002"}));
    EXPECT_EQ(split("\u092F\u0939 \u0939\u0948\u0964 \u0935\u0939 \u0939\u0948\u0964").size(), 2u);
}

TEST(Sentences, RangesAreOrderedTrimmedAndCoverAllText) {
    const std::string text =
        "A. B.\n\n\tC d.e f! \U0001F600 G?\xC2\xA0 H.  \r\n\r\nDr. No. 7 u.s. X\n* y\n";
    size_t end = 0;
    for (const auto& [begin, stop] : split_sentences(text)) {
        ASSERT_LE(end, begin);
        ASSERT_LT(begin, stop);
        for (const char c : text.substr(end, begin - end)) {
            EXPECT_TRUE(c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\xC2' ||
                        c == '\xA0');
        }
        end = stop;
    }
}

}  // namespace
}  // namespace s3attn
