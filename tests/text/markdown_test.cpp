#include <gtest/gtest.h>

#include <chrono>

#include "text_test_util.h"

namespace s3attn::text_test {
namespace {

const std::string kLong = repeat("This sentence is about the sea and a ship. ", 6) + "The end.";

Document checked(const std::string& bytes, const ReaderOptions& options = {}) {
    Document document = read_bytes("a.md", bytes, options);
    EXPECT_TRUE(document.ok) << document.error.message;
    EXPECT_EQ(broken_invariant(document, options, bytes), "");
    return document;
}

TEST(Markdown, BlocksAreExactSlices) {
    for (const std::string end : {"\n", "\r\n", "\r"}) {
        const std::string bytes = "# Title" + end + end + kLong + end + "-------" + end + end +
                                  "Setext" + end + "======" + end + kLong + end;
        const Document document = checked(bytes);
        EXPECT_EQ(document.header.format, "markdown");
        ASSERT_EQ(document.units.size(), 2u);
        EXPECT_EQ(document.units[1].text, "Setext" + end + "======" + end + kLong);
        EXPECT_EQ(document.units[1].line_begin, 6u);
        EXPECT_EQ(document.units[1].line_end, 8u);
    }
}

TEST(Markdown, HeadingsGoWithTheNextBlock) {
    const Document document =
        checked(kLong + "\n\n---\n\n## Next\n\n### Sub\n\nshort\n\n" + kLong + "\n\n# Last\n");
    ASSERT_EQ(document.units.size(), 3u);
    EXPECT_EQ(document.units[0].text, kLong);
    EXPECT_TRUE(document.units[1].text.starts_with("---\n\n## Next\n\n### Sub\n\nshort"));
    EXPECT_EQ(document.units[2].text, "# Last");
}

TEST(Markdown, CodeAndTablesStayWholeWhenTheyFit) {
    const std::string code = "```c\n" + repeat("int x = 1;  // a line\n\n", 60) + "```";
    const std::string table = "| a | b |\n|---|---|\n" + repeat("| cell one | cell two |\n", 20);
    const Document document = checked(kLong + "\n\n" + code + "\n\n" + table);
    ASSERT_EQ(document.units.size(), 3u);
    EXPECT_EQ(document.units[1].text, code);
    EXPECT_EQ(document.units[2].text + "\n", table);
}

TEST(Markdown, LongCodeIsCutAtLines) {
    const Document document = checked("```\n" + repeat("int value = compute(x);\n", 400) + "```\n");
    EXPECT_GT(document.units.size(), 4u);
    for (const Unit& unit : document.units) {
        EXPECT_TRUE(unit.text.ends_with(";") || unit.text.ends_with("```"));
    }
}

TEST(Markdown, NestedBlocksLoseNothing) {
    checked(
        "> quote\n> > deeper\n>\n> - item\n>   more\n\n1. one\n   - two\n\n     three\n\n[ref]: "
        "http://x \"t\"\n\n<div>\n<p>html</p>\n</div>\n\nlast [ref]\n\n[end]: http://y\n");
    checked(repeat("- an item of a list, " + kLong + "\n\n  and its second paragraph\n", 40));
    checked(repeat("> " + kLong + "\n>\n", 40));
    checked("---\ntitle: front matter\n---\n\ntext\n");
    checked("[only]: http://reference\n");
    checked("* * *\n***\n");
}

TEST(Markdown, BomAndInvalidBytes) {
    checked("\xEF\xBB\xBF# T\n\n" + kLong);
    const Document document =
        read_bytes("a.md", "# T\u00E9\u00E9\u00E9\u00E9\u00E9\u00E9\u00E9\u00E9\n\nbad \xFF here");
    ASSERT_TRUE(document.ok) << document.error.message;
    EXPECT_NE(document.all().find("bad ? here"), std::string::npos);
}

TEST(Markdown, AboveTheParseLimitItIsReadAsText) {
    ReaderOptions options;
    options.max_parse_bytes = 1000;
    const Document document = checked("# T\n\n" + repeat(kLong + "\n\n", 10), options);
    EXPECT_EQ(document.units.size(), 10u);
    ASSERT_EQ(document.header.notes.size(), 1u);
    EXPECT_NE(document.header.notes[0].message.find("plain text"), std::string::npos);
}

TEST(Markdown, HostileInputIsQuick) {
    const auto start = std::chrono::steady_clock::now();
    for (const std::string& bytes :
         {repeat("[", 300000), repeat("![[]()", 60000),
          repeat("a<!A ", 60000) + repeat("<?", 60000), repeat("*a _b ", 60000),
          repeat("> ", 100000), repeat("- ", 50000), repeat("[a]: b\n\n", 30000),
          repeat("[a\n", 50000), repeat("<a\n", 50000),
          repeat("| a\n", 20000) + "|-\n" + repeat("| b\n", 20000), repeat("`a``", 60000)}) {
        checked(bytes);
    }
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    EXPECT_LT(taken.count(), 30.0);
}

}  // namespace
}  // namespace s3attn::text_test
