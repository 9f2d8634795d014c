// Texts read as they stand, cut by the rules of their markup: tables, subtitles, notebooks, code.
#include <gtest/gtest.h>

#include "text_test_util.h"

namespace s3attn::text_test {
namespace {

Document read_source(const std::string& name, const std::string& bytes) {
    Document document = read_bytes(name, bytes);
    EXPECT_TRUE(document.ok) << document.error.message;
    EXPECT_EQ(broken_invariant(document, {}, bytes), "") << name;
    // However little is decoded at a time, the units are the same.
    const Document small = read_bytes(name, bytes, {}, 64);
    EXPECT_EQ(small.units.size(), document.units.size());
    return document;
}

bool holds(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

// The unit that holds these words.
Unit unit_with(const Document& document, const std::string& words) {
    for (const Unit& unit : document.units) {
        if (holds(unit.text, words)) return unit;
    }
    ADD_FAILURE() << "no unit with " << words;
    return {};
}

const std::string kProse =
    "The quay was rebuilt in stone after the flood, and the harbour master kept the ledger of all "
    "that was paid for it, from the first cartload of granite to the last barrel of lime, in his "
    "own hand, without a break, for eleven years.";

TEST(Csv, RowsStayWholeAndKnowTheirColumns) {
    std::string csv = "City;Year;\"Paid, in \"\"marks\"\"\"\n";
    for (int i = 0; i < 80; ++i) {
        csv += "Town " + std::to_string(i) + ";2019;\"sum of\n" + std::to_string(1000 + i) +
               " marks\"\n";
    }
    const Document document = read_source("a.csv", csv);
    ASSERT_GT(document.units.size(), 3u);
    for (const Unit& unit : document.units) {
        EXPECT_EQ(unit.columns, "City | Year | Paid, in \"marks\"");
        EXPECT_TRUE(unit.text.ends_with(" marks\"")) << unit.text;
        EXPECT_TRUE(unit.text.starts_with("Town ") || unit.text.starts_with("City;")) << unit.text;
    }
    EXPECT_EQ(document.header.format, "csv");
    const Document tabs = read_source("a.tsv", "City\tPaid\nLyon\t5\" wide\nNice\t7\n");
    EXPECT_EQ(tabs.units[0].columns, "City | Paid");
    const Document bare = read_source("a.csv", "1,2\n3,4\n");
    EXPECT_EQ(bare.units[0].columns, "");
    // A quote that is never closed costs the rows behind it nothing.
    const Document open = read_source("a.csv", "a,b\n\"x,1\n" + repeat("row,2\n", 900));
    EXPECT_GT(open.units.size(), 5u);
}

TEST(MarkdownTables, PartsOfALongOneHaveTheirColumns) {
    std::string text = "# Ledger\n\n| City | Paid |\n|---|---|\n";
    for (int i = 0; i < 90; ++i)
        text += "| Town " + std::to_string(i) + " | " + kProse.substr(0, 20) + " |\n";
    const Document document = read_source("a.md", text + "\n" + kProse + "\n");
    ASSERT_GT(document.units.size(), 4u);
    const Unit row = unit_with(document, "Town 71 ");
    EXPECT_EQ(row.columns, "City | Paid");
    EXPECT_EQ(row.heading, "Ledger");
    EXPECT_TRUE(row.text.starts_with('|') && row.text.ends_with('|')) << row.text;
    EXPECT_EQ(unit_with(document, "granite").columns, "");
}

TEST(Headings, ArePathsOfTheirFormats) {
    struct Case {
        std::string name, text, path;
    };
    const std::vector<Case> cases = {
        {"a.md",
         "---\ntitle: Book\ndate: 2021-05-03\ntags: [a, b]\n---\n# One\n\n## Two\n\n" + kProse +
             "\n\n# Three #\n\n" + kProse + "Z\n",
         "Book > One > Two"},
        {"a.rst",
         "====\nBook\n====\n\nOne\n---\n\nTwo\n~~~\n\n" + kProse + "\n\nThree\n-----\n\n" + kProse +
             "Z\n",
         "Book > One > Two"},
        {"a.org", "* One\n** TODO Two\n" + kProse + "\n* Three\n" + kProse + "Z\n",
         "One > TODO Two"},
        {"a.tex",
         "\\chapter{One}\\label{c}\n\n\\section{Two \\emph{x}}\n" + kProse +
             "\n\n\\chapter{Three}\n" + kProse + "Z\n",
         "One > Two \\emph{x}"},
        {"a.txt", "BOOK ONE\n\nChapter 2\n\n" + kProse + "\n\nBOOK TWO\n\n" + kProse + "Z\n",
         "BOOK ONE > Chapter 2"},
        {"a.html",
         "<title>Book</title><h1>One</h1><h2>Two</h2><p>" + kProse + "<h1>Three</h1><p>" + kProse +
             "Z",
         "Book > One > Two"}};
    for (const Case& each : cases) {
        const Document document = read_bytes(each.name, each.text);
        ASSERT_TRUE(document.ok) << each.name << document.error.message;
        EXPECT_EQ(broken_invariant(document, {}, each.name == "a.html" ? "" : each.text), "")
            << each.name;
        EXPECT_EQ(unit_with(document, "eleven years.").heading, each.path) << each.name;
        const std::string after = unit_with(document, "years.Z").heading;
        EXPECT_TRUE(after.ends_with("Three") || after.ends_with("TWO"))
            << each.name << ": " << after;
        EXPECT_FALSE(holds(after, "Two")) << each.name << ": " << after;
    }
    const Document front = read_source("a.md", cases[0].text);
    EXPECT_EQ(front.header.date, "2021-05-03");
    EXPECT_EQ(front.header.properties.at("tags"), "a, b");
    EXPECT_TRUE(holds(front.units[0].text, "tags: [a, b]"));
}

TEST(MarkedText, LiteralBlocksAndEnvironmentsStayWhole) {
    const std::string rst = kProse + " Thus::\n\n    int x;\n\n    int y;\n\n" + kProse +
                            "\n\n.. note::\n\n   In "
                            "it.\n\n   More.\n\n+---+---+\n| a | b |\n+---+---+\n";
    EXPECT_TRUE(holds(unit_with(read_source("a.rst", rst), "int x;").text, "int y;"));
    EXPECT_TRUE(holds(unit_with(read_source("a.rst", rst), "In it.").text, "More."));
    const std::string org =
        kProse + "\n#+BEGIN_SRC c\nint x;\n\nint y;\n#+END_SRC\n" + kProse + "\n";
    EXPECT_TRUE(holds(unit_with(read_source("a.org", org), "int x;").text, "int y;\n#+END_SRC"));
    const std::string tex =
        kProse + "\n\\begin{table*}\na & b\\\\\n\nc & d\n\\end{table*}\n" + kProse + "\n";
    EXPECT_TRUE(holds(unit_with(read_source("a.tex", tex), "a & b").text, "c & d\n\\end{table*}"));
}

TEST(Code, UnitsEndAtBlankLinesAndDefinitions) {
    std::string code = "# The ledger.\nimport os\n\n";
    for (int i = 0; i < 40; ++i) {
        const std::string n = std::to_string(i);
        code += "@cached\ndef rent_" + n + "(quay):\n    total = 0\n" +
                repeat("    total += quay.rent + " + n + "\n", 8) + "    return total\n" +
                (i % 2 == 0 ? "\n\n" : "");
    }
    const Document document = read_source("ledger.py", code);
    EXPECT_EQ(document.header.format, "code");
    ASSERT_GT(document.units.size(), 20u);
    for (const Unit& unit : document.units) {
        EXPECT_TRUE(unit.text.starts_with("@cached\ndef ") || unit.text.starts_with("# The"))
            << unit.text;
        EXPECT_TRUE(unit.text.ends_with("return total") || unit.text.ends_with("import os"))
            << unit.text;
    }
    // A function that is longer than a unit is cut between lines.
    const Document longer = read_source(
        "a.c", "int f() {\n" + repeat("    total += rent[i] * quay;  // again\n", 300) + "}\n");
    for (const Unit& unit : longer.units) {
        EXPECT_TRUE(unit.text.ends_with("// again") || unit.text.ends_with("}")) << unit.text;
    }
}

TEST(Subtitles, AreReadAsSpeechWithItsTimes) {
    const std::string srt =
        "1\n00:00:01,000 --> 00:00:02,500\n<i>The quay was</i> rebuilt\nin stone.\n\n"
        "2\n00:00:03,000 --> 00:00:04,250\n{\\an8}And 3 < 4 &amp; paid.\n\n"
        "3\n01:00:10,000 --> 01:00:12,000\nAn hour later.\n";
    const Document document = read_bytes("a.srt", srt);
    ASSERT_TRUE(document.ok);
    EXPECT_EQ(broken_invariant(document, {}), "");
    EXPECT_EQ(document.all(), "The quay was rebuilt in stone. And 3 < 4 & paid.\n\nAn hour later.");
    ASSERT_EQ(document.units.size(), 1u);
    EXPECT_EQ(document.units[0].time_begin_ms, 1000u);
    EXPECT_EQ(document.units[0].time_end_ms, 3612000u);
    EXPECT_EQ(document.units[0].line_begin, 3u);
    const Document web = read_bytes(
        "a.vtt",
        "WEBVTT - Ledger\nKind: x\n\nNOTE\nnot this\n\nSTYLE\n::cue {}\n\nintro\n"
        "00:01.000 --> 00:02.000 align:start\n<v Petra Holm>Pay the <c.loud>rent</c>.\n");
    EXPECT_EQ(web.all(), "Petra Holm: Pay the rent.");
    EXPECT_EQ(web.units[0].time_begin_ms, 1000u);
    ASSERT_EQ(web.header.notes.size(), 1u);
    EXPECT_EQ(web.header.notes[0].count, 2u);
}

TEST(Notebook, CellsAndWhatTheyWrote) {
    const Document document = read_bytes(
        "a.ipynb",
        R"json({"nbformat":4,"cells":[{"cell_type":"markdown","source":["# Rents\n","\n","Of the quay."]},
        {"cell_type":"code","source":"pay(75)\n\nprint(1)","outputs":[{"output_type":"stream",
        "text":["75 marks\n"]},{"output_type":"display_data","data":{"image/png":"x",
        "text/plain":"<Figure>"}},{"output_type":"error","ename":"DebtError","evalue":"late"}]}]})json");
    ASSERT_TRUE(document.ok) << document.error.message;
    EXPECT_EQ(document.all(),
              "# Rents\n\nOf the quay.\n\npay(75)\n\nprint(1)\n\n75 "
              "marks\n\n<Figure>\n\nDebtError: late");
    EXPECT_EQ(document.units[0].heading, "Rents");
    ASSERT_EQ(document.header.notes.size(), 1u);
    EXPECT_EQ(document.header.notes[0].count, 1u);
    EXPECT_FALSE(read_bytes("b.ipynb", "{\"cells\": 1}").ok);
    EXPECT_FALSE(read_bytes("b.ipynb", "not json").ok);
}

}  // namespace
}  // namespace s3attn::text_test
