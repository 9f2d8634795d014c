// Office formats, made by hand and by real programs where these are installed.
#include <gtest/gtest.h>

#include <cstdlib>

#include "text/child_process.h"
#include "text_test_util.h"

namespace s3attn::text_test {
namespace {

using Entries = std::vector<std::pair<std::string, std::string>>;

Document read_office(const std::string& name, const Entries& entries) {
    Document document = read_bytes(name, zip_bytes(entries));
    EXPECT_TRUE(document.ok) << document.error.message;
    EXPECT_EQ(broken_invariant(document, {}), "");
    return document;
}

bool holds(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

std::string relation(const std::string& id, const std::string& type, const std::string& target) {
    return "<Relationship Id='" + id + "' Type='http://x/" + type + "' Target='" + target + "'/>";
}
std::string relations(const std::string& inside) {
    return "<Relationships>" + inside + "</Relationships>";
}

Entries workbook(const std::string& sheet, const std::string& strings = "",
                 const std::string& styles = "") {
    return {{"xl/workbook.xml",
             "<workbook xmlns:r='r'><sheets><sheet name='Rents' sheetId='1' r:id='a'/></sheets>"
             "</workbook>"},
            {"xl/_rels/workbook.xml.rels",
             relations(relation("a", "worksheet", "worksheets/sheet1.xml") +
                       relation("s", "sharedStrings", "sharedStrings.xml") +
                       relation("t", "styles", "styles.xml"))},
            {"xl/sharedStrings.xml", "<sst>" + strings + "</sst>"},
            {"xl/styles.xml", "<styleSheet>" + styles + "</styleSheet>"},
            {"xl/worksheets/sheet1.xml",
             "<worksheet><sheetData>" + sheet + "</sheetData></worksheet>"}};
}

TEST(Xlsx, CellsReadAsTheyShow) {
    const Document document = read_office(
        "a.xlsx",
        workbook("<row r='1'><c r='A1' t='s'><v>0</v></c><c r='B1' t='s'><v>1</v></c>"
                 "<c r='D1' t='inlineStr'><is><t>Note</t></is></c></row>"
                 "<row r='2'><c r='A2' t='str'><f>X</f><v>Lyon</v></c><c r='B2' s='1'>"
                 "<v>43525</v></c><c r='C2' s='2'><v>0.255</v></c><c r='D2'>"
                 "<v>0.10000000000000001</v></c><c r='E2' t='b'><v>1</v></c>"
                 "<c r='F2' t='e'><v>#DIV/0!</v></c></row>"
                 "<row r='7'><c r='A7' s='3'><v>43525.604166666664</v></c></row>",
                 "<si><t>City</t></si><si><r><t>Da</t></r><r><t>y</t></r>"
                 "<rPh sb='0' eb='1'><t>no</t></rPh></si>",
                 "<numFmts><numFmt numFmtId='170' formatCode='d. mmm yyyy'/>"
                 "<numFmt numFmtId='171' formatCode='yyyy\\-mm\\-dd hh:mm'/></numFmts><cellXfs>"
                 "<xf numFmtId='0'/><xf numFmtId='170'/><xf numFmtId='10'/><xf numFmtId='171'/>"
                 "</cellXfs>"));
    EXPECT_EQ(document.all(),
              "Rents\n\nCity\tDay\t\tNote\nLyon\t2019-03-01\t25.5%\t0.1\tTRUE\t#DIV/0!\n\n"
              "2019-03-01 14:30");
    EXPECT_EQ(document.units.back().line_end, 7u);
    EXPECT_EQ(document.header.format, "xlsx");
}

TEST(Xlsx, RaisedAndLoweredFiguresStayApart) {
    const auto run = [](const std::string& text, const std::string& place) {
        return "<r><rPr><vertAlign val='" + place + "'/></rPr><t>" + text + "</t></r>";
    };
    const Document document = read_office(
        "a.xlsx", workbook("<row r='1'><c r='A1' t='s'><v>0</v></c></row>",
                           "<si><r><t>In 1804</t></r>" + run("12", "superscript") +
                               "<r><t> 10</t></r>" + run("6", "superscript") + "<r><t> H</t></r>" +
                               run("2", "subscript") + "<r><t>O</t></r></si>"));
    EXPECT_EQ(document.all(), "Rents\n\nIn 1804[12] 10^6 H_2O");
}

TEST(Xlsx, PartsOfALongSheetHaveWholeRowsUnderTheirColumns) {
    std::string rows =
        "<row r='1'><c r='A1' t='inlineStr'><is><t>City</t></is></c><c r='B1' t='inlineStr'><is>"
        "<t>Paid in 2019</t></is></c></row>";
    for (int i = 2; i < 202; ++i) {
        const std::string row = std::to_string(i);
        rows += "<row r='" + row + "'><c r='A" + row + "' t='inlineStr'><is><t>Town " + row +
                "</t></is></c><c r='B" + row + "'><v>" + std::to_string(1000 + i) +
                "</v></c></row>";
    }
    const Document document = read_office("a.xlsx", workbook(rows));
    ASSERT_GT(document.units.size(), 3u);
    uint32_t next = 1;
    for (size_t i = 0; i < document.units.size(); ++i) {
        const Unit& unit = document.units[i];
        EXPECT_TRUE(holds(unit.text, "City\tPaid in 2019\n")) << unit.text;
        EXPECT_EQ(unit.heading, "Rents");
        EXPECT_LE(unit.text.size(), 700u);
        EXPECT_EQ(unit.line_begin, next) << i;
        next = unit.line_end + 1;
        const size_t last = unit.text.rfind("Town ");
        EXPECT_TRUE(unit.text.substr(last).starts_with("Town " + std::to_string(unit.line_end)));
    }
    EXPECT_EQ(next, 202u);
}

TEST(Xlsx, WhatIsNotThereIsSaid) {
    Entries entries =
        workbook("<row r='1'><c r='A1'><f>SUM(B:B)</f></c><c r='B1'><v>3</v></c></row>");
    const Document document = read_office("a.xlsx", entries);
    ASSERT_EQ(document.header.notes.size(), 1u);
    EXPECT_EQ(document.header.notes[0].kind, ReadNote::Kind::kUnread);
    EXPECT_TRUE(holds(document.header.notes[0].message, "formulas"));
    entries.back().second = "<worksheet><sheetData><row>";  // torn
    entries.emplace_back("xl/worksheets/sheet2.xml",
                         "<worksheet><sheetData><row r='1'><c><v>7</v></c></row></sheetData>"
                         "</worksheet>");
    entries[0].second =
        "<workbook xmlns:r='r'><sheets><sheet name='Rents' r:id='a'/><sheet name='More' r:id='b'/>"
        "</sheets></workbook>";
    entries[1].second = relations(relation("a", "worksheet", "worksheets/sheet1.xml") +
                                  relation("b", "worksheet", "worksheets/sheet2.xml"));
    const Document torn = read_office("a.xlsx", entries);
    EXPECT_EQ(torn.all(), "More\n\n7");
    ASSERT_EQ(torn.header.notes.size(), 1u);
    EXPECT_EQ(torn.header.notes[0].place, "sheet Rents");
}

std::string shape(const std::string& type, const std::string& text) {
    return "<p:sp><p:nvSpPr><p:nvPr>" + (type.empty() ? "" : "<p:ph type='" + type + "'/>") +
           "</p:nvPr></p:nvSpPr><p:txBody><a:p><a:r><a:t>" + text +
           "</a:t></a:r></a:p></p:txBody></p:sp>";
}

TEST(Pptx, SlidesInTheirOrderWithNotesTablesAndComments) {
    const std::string slide = "<p:sld><p:cSld><p:spTree>";
    const std::string end = "</p:spTree></p:cSld></p:sld>";
    const Document document = read_office(
        "a.pptx",
        {{"ppt/presentation.xml",
          "<p:presentation xmlns:r='r'><p:sldIdLst><p:sldId id='256' r:id='b'/><p:sldId id='257' "
          "r:id='a'/></p:sldIdLst></p:presentation>"},
         {"ppt/_rels/presentation.xml.rels",
          relations(relation("a", "slide", "slides/slide1.xml") +
                    relation("b", "slide", "slides/slide2.xml"))},
         {"ppt/slides/slide1.xml",
          slide + shape("title", "Second") + shape("", "Its text.") + shape("sldNum", "2") + end},
         {"ppt/slides/slide2.xml",
          slide + shape("ctrTitle", "First") + "<p:grpSp><p:grpSp>" + shape("", "Grouped.") +
              "</p:grpSp></p:grpSp>"
              "<p:graphicFrame><a:tbl><a:tr><a:tc><a:p><a:r><a:t>City</a:t></a:r></a:p></"
              "a:tc><a:tc>"
              "<a:p><a:r><a:t>Paid</a:t></a:r></a:p></a:tc></a:tr><a:tr><a:tc><a:p><a:r><a:t>Lyon"
              "</a:t></a:r></a:p></a:tc><a:tc><a:p><a:fld><a:t>12</a:t></a:fld></a:p></a:tc></a:tr>"
              "</a:tbl></p:graphicFrame>" +
              end},
         {"ppt/slides/_rels/slide2.xml.rels",
          relations(relation("n", "notesSlide", "../notesSlides/n.xml"))},
         {"ppt/notesSlides/n.xml",
          "<p:notes>" + shape("sldImg", "no") + shape("body", "Say this.") + "</p:notes>"}});
    EXPECT_EQ(
        document.all(),
        "First\n\nGrouped.\n\nCity\tPaid\nLyon\t12\n\nNotes: Say this.\n\nSecond\n\nIts text.");
    ASSERT_EQ(document.units.size(), 2u);
    EXPECT_EQ(document.units[0].page, 1u);
    EXPECT_EQ(document.units[1].page, 2u);
    EXPECT_EQ(document.units[1].heading, "Second");
    EXPECT_EQ(document.header.format, "pptx");
}

TEST(Pptx, RaisedFiguresNumbersAndBullets) {
    const auto item = [](const std::string& properties, const std::string& text) {
        return "<a:p><a:pPr " + properties + "</a:pPr><a:r><a:t>" + text + "</a:t></a:r></a:p>";
    };
    const std::string numbered = "><a:buAutoNum type='arabicPeriod'/>";
    const Document document = read_office(
        "a.pptx",
        {{"ppt/presentation.xml",
          "<p:presentation xmlns:r='r'><p:sldIdLst><p:sldId id='256' r:id='a'/></p:sldIdLst>"
          "</p:presentation>"},
         {"ppt/_rels/presentation.xml.rels", relations(relation("a", "slide", "slides/1.xml"))},
         {"ppt/slides/1.xml",
          "<p:sld><p:cSld><p:spTree><p:sp><p:txBody><a:p><a:r><a:t>10</a:t></a:r><a:r><a:rPr "
          "baseline='30000'/><a:t>6</a:t></a:r><a:r><a:t> H</a:t></a:r><a:r><a:rPr "
          "baseline='-25000'/><a:t>2</a:t></a:r><a:r><a:t>O</a:t></a:r></a:p>" +
              item(numbered, "one") +
              item("lvl='1'><a:buAutoNum type='alphaLcParenR' startAt='3'/>", "inner") +
              item(numbered, "two") + item("><a:buChar char='\u2022'/>", "dot") +
              item(">", "plain") + item(numbered, "anew") +
              "</p:txBody></p:sp></p:spTree></p:cSld></p:sld>"}});
    EXPECT_EQ(document.all(), "10^6 H_2O\n1. one\nc) inner\n2. two\n\u2022 dot\nplain\n1. anew");
}

Document read_odt(const std::string& body, const std::string& styles = "",
                  const std::string& kind = "text") {
    return read_office(
        kind == "spreadsheet" ? "a.ods" : "a.odt",
        {{"mimetype", "application/vnd.oasis.opendocument." + kind},
         {"content.xml", "<office:document-content><office:automatic-styles>" + styles +
                             "</office:automatic-styles><office:body><office:" + kind + ">" + body +
                             "</office:" + kind + "></office:body></office:document-content>"},
         {"styles.xml",
          "<office:document-styles><office:master-styles><style:master-page>"
          "<style:footer><text:p>The footer</text:p></style:footer>"
          "</style:master-page></office:master-styles></office:document-styles>"},
         {"meta.xml",
          "<office:document-meta><office:meta><dc:title>Ledger</dc:title><dc:date>"
          "2021-05-03T10:00:00</dc:date><meta:user-defined meta:name='Client'>Holm"
          "</meta:user-defined></office:meta></office:document-meta>"}});
}

TEST(Odf, TextNotesListsAndChanges) {
    const Document document = read_odt(
        "<text:tracked-changes><text:changed-region><text:deletion><text:p>gone</text:p>"
        "</text:deletion></text:changed-region></text:tracked-changes>"
        "<text:h text:outline-level='2'>Rents</text:h>"
        "<text:p>10<text:span text:style-name='up'>6</text:span> and<text:s "
        "text:c='2'/>x<text:note>"
        "<text:note-citation>1</text:note-citation><text:note-body><text:p>A note.</text:p>"
        "</text:note-body></text:note> more<office:annotation><dc:creator>Zo</dc:creator><text:p>"
        "Really?</text:p></office:annotation>.</text:p>"
        "<text:list text:style-name='L'><text:list-item><text:p>one</text:p></text:list-item>"
        "<text:list-item><text:p>two</text:p><text:p>still "
        "two</text:p></text:list-item></text:list>",
        "<style:style style:name='up' style:family='text'><style:text-properties "
        "style:text-position='super 58%'/></style:style><text:list-style style:name='L'>"
        "<text:list-level-style-number text:level='1' style:num-suffix=')' style:num-format='a'/>"
        "</text:list-style>");
    EXPECT_EQ(
        document.all(),
        "Rents\n\n10^6 and  x[1] more.\n\n[1] A note.\nComment by Zo: Really?\na) one\nb) two\n"
        "still two\n\nThe footer");
    EXPECT_EQ(document.units[0].heading, "Ledger > Rents");
    EXPECT_EQ(document.header.title, "Ledger");
    EXPECT_EQ(document.header.date, "2021-05-03T10:00:00");
    EXPECT_EQ(document.header.properties.at("client"), "Holm");
    ASSERT_EQ(document.header.notes.size(), 1u);
    EXPECT_EQ(document.header.notes[0].count, 1u);
}

TEST(Odf, BulletsStandInFrontOfTheirItems) {
    const Document document = read_odt(
        "<text:list text:style-name='L'><text:list-item><text:p>one</text:p></text:list-item>"
        "</text:list>",
        "<text:list-style style:name='L'><text:list-level-style-bullet text:level='1' "
        "text:bullet-char='\uF0B7'/></text:list-style>");
    EXPECT_EQ(document.all(), "\u2022 one\n\nThe footer");
}

TEST(Odf, SheetsStayBoundedAndNameTheirRows) {
    const std::string empty =
        "<table:table-row table:number-rows-repeated='3'><table:table-cell "
        "table:number-columns-repeated='16384'/></table:table-row>";
    const Document document = read_odt(
        "<table:table table:name='Fees'>" + empty +
            "<table:table-row><table:table-cell><text:p>City</text:p></table:table-cell>"
            "<table:table-cell><text:p>Fee</text:p></table:table-cell></table:table-row>"
            "<table:table-row table:number-rows-repeated='2'><table:table-cell office:value='7'/>"
            "<table:table-cell><office:annotation><text:p>why</text:p></office:annotation><text:p>8"
            "</text:p></table:table-cell></table:table-row>" +
            "<table:table-row table:number-rows-repeated='1000000'><table:table-cell "
            "table:number-columns-repeated='16384'/></table:table-row></table:table>",
        "", "spreadsheet");
    EXPECT_EQ(document.all(), "Fees\n\nCity\tFee\n7\t8 Comment: why\n7\t8 Comment: why");
    EXPECT_EQ(document.units[0].line_end, 6u);
    EXPECT_EQ(document.header.format, "ods");
}

TEST(Odf, APasswordIsSaid) {
    const Document document = read_bytes(
        "a.odt", zip_bytes({{"mimetype", "application/vnd.oasis.opendocument.text"},
                            {"META-INF/manifest.xml",
                             "<m:manifest><m:file-entry><m:encryption-data/></m:file-entry>"
                             "</m:manifest>"},
                            {"content.xml", "xxxx"}}));
    EXPECT_FALSE(document.ok);
    EXPECT_TRUE(holds(document.error.message, "password")) << document.error.message;
}

TEST(OfficeTables, RowsOfHtmlAndDocxStayWholeUnderTheirNames) {
    std::string html = "<table><tr><th></th><th>Paid</th></tr>", docx;
    const auto cell = [](const std::string& text) {
        return "<w:tc><w:p><w:r><w:t>" + text + "</w:t></w:r></w:p></w:tc>";
    };
    docx = "<w:tbl><w:tr>" + cell("City") + cell("Paid") + "</w:tr>";
    for (int i = 0; i < 100; ++i) {
        const std::string n = std::to_string(i);
        html += "<tr><td>Town " + n + "</td><td>sum<br>of " + n + "</td></tr>";
        docx += "<w:tr>" + cell("Town " + n) + cell("sum of " + n) + "</w:tr>";
    }
    const Document page = read_bytes("a.html", html + "</table>");
    const Document text = read_bytes("a.docx", docx_bytes(docx + "</w:tbl>"));
    for (const Document* document : {&page, &text}) {
        ASSERT_TRUE(document->ok);
        EXPECT_EQ(broken_invariant(*document, {}), "");
        ASSERT_GT(document->units.size(), 2u);
        for (const Unit& unit : document->units) {
            EXPECT_TRUE(unit.text.starts_with(document == &page ? "-\tPaid\n" : "City\tPaid\n"))
                << unit.text;
            const size_t last = unit.text.rfind("Town ");
            EXPECT_TRUE(holds(unit.text.substr(last), "of ")) << unit.text;
        }
    }
    const std::string small =
        read_bytes("a.html",
                   "<table><tr><td></td><td>2</td></tr><tr><td>3</td><td></td><td>4</td>"
                   "</tr></table>")
            .all();
    EXPECT_EQ(small, "-\t2\n3\t\t4");
}

// Runs a program on files of `directory`; false where it is not installed.
bool convert(const std::string& program, const std::string& arguments,
             const std::string& directory) {
    if (text::find_program(program).empty()) return false;
    const std::string line = "cd '" + directory + "' && HOME='" + directory + "' " + program + " " +
                             arguments + " >/dev/null 2>&1";
    return std::system(line.c_str()) == 0;
}

const char kSource[] =
    "---\ntitle: Quay ledger\nauthor: Petra Holm\n---\n\n# Rents of the quay\n\nThe rent \u2013 "
    "\u201Craised twice\u201D \u2013 is 75 marks at the caf\u00E9.[^1] H~2~O and 10^6^.\n\n[^1]: "
    "Recorded by Zo\u00EB.\n\n## Lists\n\n1. First clause\n2. Second clause\n\n| City | Year |\n"
    "|------|------|\n| Lyon | 2019 |\n| Nice | 2020 |\n\n\u0395\u03BB\u03BB\u03B7\u03BD\u03B9"
    "\u03BA\u03AC and \u0440\u0443\u0441\u0441\u043A\u0438\u0439, the end.\n";

TEST(OfficePrograms, WhatPandocAndLibreOfficeWriteIsReadWhole) {
    const TempDirectory directory;
    directory.write("a.md", kSource);
    if (!convert("pandoc", "a.md -o a.docx && pandoc a.md -o a.odt && pandoc a.md -o b.pptx",
                 directory.path())) {
        GTEST_SKIP() << "pandoc is not installed";
    }
    std::vector<std::string> names = {"a.docx", "a.odt", "b.pptx"};
    if (convert(
            "soffice",
            "--headless -env:UserInstallation=file://" + directory.path() +
                "/u --convert-to doc a.docx && soffice --headless -env:UserInstallation=file://" +
                directory.path() + "/u --convert-to rtf a.docx",
            directory.path())) {
        names.insert(names.end(), {"a.doc", "a.rtf"});
    }
    for (const std::string& name : names) {
        const Document document = read_document(directory.path() + "/" + name);
        ASSERT_TRUE(document.ok) << name << ": " << document.error.message;
        EXPECT_EQ(broken_invariant(document, {}), "") << name;
        EXPECT_EQ(document.header.format, name.substr(2));
        const std::string all = document.all();
        for (const char* words : {"Rents of the quay", "\u201Craised twice\u201D", "caf\u00E9",
                                  "Recorded by Zo\u00EB.", "First clause", "Lyon\t2019",
                                  "\u0395\u03BB\u03BB\u03B7\u03BD\u03B9\u03BA\u03AC", "the end."}) {
            EXPECT_TRUE(holds(all, words)) << name << " lacks " << words << " in " << all;
        }
        if (name != "b.pptx") {
            EXPECT_TRUE(holds(all, "H_2O and 10^6")) << name << all;
        }
        // Slides made of this have a table on a slide of its own.
        EXPECT_TRUE(
            holds(document.units.back().heading, name == "b.pptx" ? "Quay ledger" : "Lists"))
            << name << document.units.back().heading;
    }
}

TEST(OfficePrograms, ConvertersFailWithAWord) {
    for (const char* name : {"a.rtf", "a.doc"}) {
        const bool rtf = std::string(name) == "a.rtf";
        std::string bytes = "{\\rtf1\\ansi The quay.\\par}";
        if (!rtf) bytes = std::string("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1") + "W\0o\0r\0d\0D\0";
        if (!rtf) {
            for (const char c : std::string("WordDocument")) bytes += {c, '\0'};
        }
        const Document document = read_bytes(name, bytes);
        if (rtf && document.ok) {
            EXPECT_EQ(document.all(), "The quay.");
        } else {
            EXPECT_TRUE(holds(document.error.message, name)) << document.error.message;
            EXPECT_TRUE(holds(document.error.message, "save") ||
                        holds(document.error.message, "apt-get install"))
                << document.error.message;
        }
    }
}

}  // namespace
}  // namespace s3attn::text_test
