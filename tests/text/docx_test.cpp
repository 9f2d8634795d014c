// What stands outside a DOCX file's body, and the numbers that its clauses get by themselves.
#include <gtest/gtest.h>

#include "text_test_util.h"

namespace s3attn::text_test {
namespace {

using Entries = std::vector<std::pair<std::string, std::string>>;

std::string p(const std::string& text, const std::string& properties = "") {
    return "<w:p><w:pPr>" + properties + "</w:pPr><w:r><w:t xml:space='preserve'>" + text +
           "</w:t></w:r></w:p>";
}
std::string numbered(int level, const std::string& text, int number = 1) {
    return p(text, "<w:numPr><w:ilvl w:val='" + std::to_string(level) + "'/><w:numId w:val='" +
                       std::to_string(number) + "'/></w:numPr>");
}
std::string level(int number, const std::string& format, const std::string& text,
                  const std::string& more = "<w:start w:val='1'/>") {
    return "<w:lvl w:ilvl='" + std::to_string(number) + "'>" + more + "<w:numFmt w:val='" + format +
           "'/><w:lvlText w:val='" + text + "'/></w:lvl>";
}
std::string abstract(int id, const std::string& levels) {
    const std::string number = std::to_string(id);
    return "<w:abstractNum w:abstractNumId='" + number + "'>" + levels + "</w:abstractNum>";
}
std::string num(int id, int list, const std::string& overrides = "") {
    return "<w:num w:numId='" + std::to_string(id) + "'><w:abstractNumId w:val='" +
           std::to_string(list) + "'/>" + overrides + "</w:num>";
}

Document read_docx(const std::string& body, Entries parts = {}) {
    parts.emplace_back("word/document.xml",
                       "<w:document xmlns:w='w'><w:body>" + body + "</w:body></w:document>");
    Document document = read_bytes("a.docx", zip_bytes(parts));
    EXPECT_TRUE(document.ok) << document.error.message;
    EXPECT_EQ(broken_invariant(document, {}), "");
    return document;
}

std::string with_numbering(const std::string& body, const std::string& numbering,
                           const std::string& styles = "") {
    return read_docx(body, {{"word/numbering.xml", "<w:numbering>" + numbering + "</w:numbering>"},
                            {"word/styles.xml", "<w:styles>" + styles + "</w:styles>"}})
        .all();
}

const std::string kLegal = abstract(
    1, level(0, "decimal", "%1.") + level(1, "decimal", "%1.%2") + level(2, "lowerLetter", "(%3)"));

TEST(DocxNumbers, StandInFrontOfTheirClauses) {
    EXPECT_EQ(with_numbering(numbered(0, "Parties") + numbered(1, "One") + numbered(1, "Two") +
                                 p("plain") + numbered(0, "Term") + numbered(1, "Three") +
                                 numbered(2, "a") + numbered(2, "b") + numbered(1, "Four") +
                                 numbered(2, "c"),
                             kLegal + num(1, 1)),
              "1. Parties\n\n1.1 One\n\n1.2 Two\n\nplain\n\n2. Term\n\n2.1 Three\n\n(a) a\n\n(b) "
              "b\n\n2.2 Four\n\n(a) c");
}

TEST(DocxNumbers, FormatsStartsAndLegalNumbers) {
    const std::string list =
        abstract(1, level(0, "upperRoman", "Article %1", "<w:start w:val='4'/>") +
                        level(1, "decimal", "%1.%2", "<w:start w:val='1'/><w:isLgl/>") +
                        level(2, "decimalZero", "%3)") + level(3, "ordinal", "%4 item") +
                        level(4, "bullet", "\u2022") + level(5, "none", "") +
                        level(6, "upperLetter", "%7."));
    EXPECT_EQ(
        with_numbering(numbered(0, "a") + numbered(1, "b") + numbered(2, "c") + numbered(3, "d") +
                           numbered(4, "e") + numbered(5, "f") + numbered(6, "g") +
                           numbered(0, "h"),
                       list + num(1, 1)),
        "Article IV a\n\n4.1 b\n\n01) c\n\n1st item d\n\n\u2022 e\n\nf\n\nA. g\n\nArticle V h");
    // Letters repeat behind z, as Word has them.
    std::string body, last;
    for (int i = 0; i < 28; ++i) body += numbered(0, "x");
    const std::string all =
        with_numbering(body, abstract(1, level(0, "lowerLetter", "%1)")) + num(1, 1));
    EXPECT_EQ(all.substr(all.size() - 12), "aa) x\n\nbb) x");
}

TEST(DocxNumbers, ListsShareOrOverride) {
    const std::string restart =
        "<w:lvlOverride w:ilvl='0'><w:startOverride w:val='7'/>"
        "</w:lvlOverride>";
    const std::string own =
        "<w:lvlOverride w:ilvl='0'>" + level(0, "decimal", "\u00A7 %1") + "</w:lvlOverride>";
    EXPECT_EQ(with_numbering(numbered(0, "a") + numbered(0, "b", 2) + numbered(0, "c", 3) +
                                 numbered(0, "d", 3) + numbered(0, "e", 4) + numbered(0, "f", 0),
                             kLegal + num(1, 1) + num(2, 1) + num(3, 1, restart) + num(4, 1, own)),
              "1. a\n\n2. b\n\n7. c\n\n8. d\n\n\u00A7 9 e\n\nf");
    // A level that says so is not restarted by those above it.
    const std::string on = abstract(
        1, level(0, "decimal", "%1.") +
               level(1, "decimal", "(%2)", "<w:start w:val='1'/><w:lvlRestart w:val='0'/>"));
    EXPECT_EQ(
        with_numbering(numbered(0, "a") + numbered(1, "b") + numbered(0, "c") + numbered(1, "d"),
                       on + num(1, 1)),
        "1. a\n\n(1) b\n\n2. c\n\n(2) d");
}

TEST(DocxNumbers, StylesBringThem) {
    const std::string styles =
        "<w:style w:type='paragraph' w:styleId='Clause'><w:pPr><w:numPr><w:numId w:val='1'/>"
        "</w:numPr></w:pPr></w:style>"
        "<w:style w:type='paragraph' w:styleId='Sub'><w:basedOn w:val='Clause'/></w:style>"
        "<w:style w:type='paragraph' w:styleId='Plain'><w:basedOn w:val='Clause'/><w:pPr><w:numPr>"
        "<w:numId w:val='0'/></w:numPr></w:pPr></w:style>"
        "<w:style w:type='paragraph' w:styleId='Loop'><w:basedOn w:val='Loop'/></w:style>";
    const std::string list = abstract(
        1, level(0, "decimal", "%1.", "<w:start w:val='1'/><w:pStyle w:val='Clause'/>") +
               level(1, "decimal", "%1.%2", "<w:start w:val='1'/><w:pStyle w:val='Sub'/>"));
    const auto styled = [](const std::string& style, const std::string& text) {
        return p(text, "<w:pStyle w:val='" + style + "'/>");
    };
    EXPECT_EQ(with_numbering(styled("Clause", "a") + styled("Sub", "b") + styled("Sub", "c") +
                                 styled("Plain", "d") + styled("Loop", "e") + styled("Clause", "f"),
                             list + num(1, 1), styles),
              "1. a\n\n1.1 b\n\n1.2 c\n\nd\n\ne\n\n2. f");
    // A list may take its levels from a numbering style.
    EXPECT_EQ(with_numbering(numbered(0, "a", 2),
                             "<w:abstractNum w:abstractNumId='5'><w:styleLink w:val='Law'/>" +
                                 level(0, "decimal", "Rule %1") + "</w:abstractNum>" +
                                 "<w:abstractNum w:abstractNumId='6'><w:numStyleLink w:val='Law'/>"
                                 "</w:abstractNum>" +
                                 num(2, 6)),
              "Rule 1 a");
}

TEST(DocxNumbers, CountInTablesAndPastEmptyParagraphs) {
    EXPECT_EQ(with_numbering(numbered(0, "a") + numbered(0, "") + "<w:tbl><w:tr><w:tc>" +
                                 numbered(0, "b") + "</w:tc></w:tr></w:tbl>" + numbered(0, "c"),
                             kLegal + num(1, 1)),
              "1. a\n\n3. b\n\n4. c");
}

TEST(DocxParts, AreReadWithMarksThatSayWhatTheyAre) {
    const Document document = read_docx(
        "<w:p><w:r><w:t>Berta Kline</w:t></w:r><w:r><w:footnoteReference w:id='7'/></w:r><w:r><w:t>"
        " of Ulm</w:t></w:r><w:r><w:endnoteReference w:id='2'/></w:r><w:commentRangeStart "
        "w:id='0'/>"
        "<w:r><w:t> pays</w:t></w:r><w:commentRangeEnd w:id='0'/></w:p>",
        {{"word/footnotes.xml", "<w:footnotes><w:footnote w:id='7'>" + p("Born in 1871.") +
                                    "</w:footnote></w:footnotes>"},
         {"word/endnotes.xml",
          "<w:endnotes><w:endnote w:id='2'>" + p("See map.") + "</w:endnote></w:endnotes>"},
         {"word/comments.xml", "<w:comments><w:comment w:id='0' w:author='Hugo'>" + p("Too late.") +
                                   p("Or not.") + "</w:comment></w:comments>"},
         {"word/header1.xml", "<w:hdr>" + p("Contract KX-4471") + "</w:hdr>"},
         {"word/header2.xml", "<w:hdr>" + p("Contract KX-4471") + "</w:hdr>"},
         {"word/footer3.xml", "<w:ftr>" + p("Notary Voss") + "</w:ftr>"}});
    EXPECT_EQ(document.all(),
              "Contract KX-4471\n\nBerta Kline[1] of Ulm[i] pays\n\n[1] Born in 1871.\n\n[i] See "
              "map.\n\nComment by Hugo on \u201Cpays\u201D: Too late.\n\nOr not.\n\nNotary Voss");
    EXPECT_TRUE(document.header.notes.empty());
}

TEST(DocxParts, AreFoundByRelationshipsToo) {
    const Document document =
        read_docx(p("body") + "<w:altChunk r:id='c'/><w:altChunk r:id='d'/>",
                  {{"word/_rels/document.xml.rels",
                    "<Relationships><Relationship Id='h' Type='x/header' Target='parts/Kopf.xml'/>"
                    "<Relationship Id='s' Type='x/diagramData' Target='/word/diagrams/data1.xml'/>"
                    "<Relationship Id='c' Type='x/aFChunk' Target='chunk.html'/>"
                    "<Relationship Id='d' Type='x/aFChunk' Target='chunk.rtf'/></Relationships>"},
                   {"word/parts/kopf.xml", "<w:hdr>" + p("head") + "</w:hdr>"},
                   {"word/diagrams/data1.xml",
                    "<dgm:dataModel><a:p><a:r><a:t>box</a:t></a:r></a:p></dgm:dataModel>"},
                   {"word/chunk.html", "<p>inserted</p>"},
                   {"word/chunk.rtf", "{\\rtf1}"}});
    EXPECT_EQ(document.all(), "head\n\nbody\n\nbox\n\ninserted");
    ASSERT_EQ(document.header.notes.size(), 1u);
    EXPECT_EQ(document.header.notes[0].place, "word/chunk.rtf");
    EXPECT_EQ(document.header.notes[0].kind, ReadNote::Kind::kUnread);
}

TEST(DocxParts, ADamagedOneCostsNoOther) {
    const Document document =
        read_docx(p("body"), {{"word/comments.xml", "<w:comments"},
                              {"word/numbering.xml", "<"},
                              {"word/footer1.xml", "<w:ftr>" + p("foot") + "</w:ftr>"}});
    EXPECT_EQ(document.all(), "body\n\nfoot");
    ASSERT_EQ(document.header.notes.size(), 2u);
    EXPECT_EQ(document.header.notes[0].place, "word/numbering.xml");
    EXPECT_NE(document.header.notes[0].message.find("clause numbers"), std::string::npos);
    EXPECT_EQ(document.header.notes[1].place, "word/comments.xml");
}

TEST(DocxText, WhatIsLeftOutIsCounted) {
    const Document document = read_docx(
        "<w:p><w:del><w:r><w:delText>500</w:delText></w:r></w:del><w:ins><w:r><w:t>750</w:t></w:r>"
        "</w:ins><w:del><w:r/></w:del><w:r><w:object><o:OLEObject/></w:object></w:r></w:p>");
    EXPECT_EQ(document.all(), "750");
    ASSERT_EQ(document.header.notes.size(), 2u);
    EXPECT_EQ(document.header.notes[0].kind, ReadNote::Kind::kLeftOut);
    EXPECT_EQ(document.header.notes[0].count, 1u);
    EXPECT_EQ(document.header.notes[1].kind, ReadNote::Kind::kUnread);
}

TEST(DocxText, BulletsStandInFrontOfTheirItems) {
    const std::string list = abstract(1, level(0, "bullet", "\uF0B7") + level(1, "bullet", "o") +
                                             level(2, "bullet", "-") + level(3, "bullet", ""));
    EXPECT_EQ(
        with_numbering(numbered(0, "a") + numbered(1, "b") + numbered(2, "c") + numbered(3, "d"),
                       list + num(1, 1)),
        "\u2022 a\n\n\u2022 b\n\n- c\n\nd");
}

TEST(DocxText, AParagraphWhoseEndWasDeletedGoesOnInTheNext) {
    const std::string deleted = "<w:rPr><w:del w:id='1'/></w:rPr>";
    EXPECT_EQ(read_docx(p("The fee is ", deleted) + p("12 crowns.") + p("Alone.", deleted)).all(),
              "The fee is 12 crowns.\n\nAlone.");
    // It has no number of its own.
    const std::string one = "<w:numPr><w:numId w:val='1'/></w:numPr>";
    EXPECT_EQ(with_numbering(p("a ", one + deleted) + numbered(0, "b") + numbered(0, "c"),
                             kLegal + num(1, 1)),
              "1. a b\n\n2. c");
}

TEST(DocxText, ANoteMarkAtTheBeginStandsApart) {
    const std::string mark = "<w:r><w:footnoteReference w:id='1'/></w:r>";
    EXPECT_EQ(read_docx("<w:p>" + mark + "<w:r><w:t>The mill.</w:t></w:r></w:p><w:p>" + mark +
                        "<w:r><w:t xml:space='preserve'> A</w:t></w:r>" + mark + "</w:p>")
                  .all(),
              "[1] The mill.\n\n[1] A[1]");
}

TEST(DocxText, FormFieldsShowWhatWasChosen) {
    const auto field = [](const std::string& data) {
        return "<w:p><w:r><w:fldChar w:fldCharType='begin'><w:ffData>" + data +
               "</w:ffData></w:fldChar></w:r><w:r><w:instrText>FORM</w:instrText></w:r><w:r>"
               "<w:fldChar w:fldCharType='end'/></w:r><w:r><w:t> x</w:t></w:r></w:p>";
    };
    EXPECT_EQ(read_docx(field("<w:checkBox><w:default w:val='0'/><w:checked/></w:checkBox>") +
                        field("<w:checkBox><w:default w:val='1'/></w:checkBox>") +
                        field("<w:checkBox><w:default w:val='1'/><w:checked w:val='0'/>"
                              "</w:checkBox>") +
                        field("<w:ddList><w:result w:val='1'/><w:listEntry w:val='Norway'/>"
                              "<w:listEntry w:val='Sweden'/></w:ddList>") +
                        field("<w:ddList><w:listEntry w:val='Norway'/></w:ddList>"))
                  .all(),
              "\u2612 x\n\n\u2612 x\n\n\u2610 x\n\nSweden x\n\nNorway x");
}

TEST(DocxText, RaisedAndLoweredRunsStayApart) {
    const auto run = [](const std::string& text, const std::string& properties = "") {
        return "<w:r><w:rPr>" + properties + "</w:rPr><w:t xml:space='preserve'>" + text +
               "</w:t></w:r>";
    };
    const std::string up = "<w:vertAlign w:val='superscript'/>";
    const std::string down = "<w:vertAlign w:val='subscript'/>";
    EXPECT_EQ(
        read_docx("<w:p>" + run("40 km") + run("2", up) + run(" and 10") + run("-", up) +
                  run("6", up) + run(" H") + run("2", down) + run("O, 15") + run("1", up) +
                  run("/") + run("2", down) + run(" signed in 1804") + run("12", up) + "</w:p>")
            .all(),
        "40 km^2 and 10^-6 H_2O, 15 1/2 signed in 1804[12]");
    EXPECT_EQ(read_docx("<w:p>" + run("pays ") + run("500", "<w:strike/>") + run("750") +
                        run("", "<w:dstrike/>") + run("x", "<w:strike w:val='0'/>") + "</w:p>")
                  .all(),
              "pays ~~500~~750x");
    const std::string styles = "<w:styles><w:style w:type='character' w:styleId='Up'><w:rPr>" + up +
                               "</w:rPr></w:style></w:styles>";
    EXPECT_EQ(read_docx("<w:p>" + run("10") + run("6", "<w:rStyle w:val='Up'/>") + "</w:p>",
                        {{"word/styles.xml", styles}})
                  .all(),
              "10^6");
    EXPECT_EQ(read_docx("<w:p><m:oMath><m:sSup><m:e><m:r><m:t>x</m:t></m:r></m:e><m:sup><m:r><m:t>n"
                        "</m:t></m:r></m:sup></m:sSup><m:f><m:num><m:r><m:t>a</m:t></m:r></m:num>"
                        "<m:den><m:r><m:t>b</m:t></m:r></m:den></m:f></m:oMath></w:p>")
                  .all(),
              "x^n a/b");
}

TEST(DocxText, IsValidWhateverThePartsHold) {
    EXPECT_EQ(read_docx(p("a\xE9"
                          "b &#xD800;c"))
                  .all(),
              "a?b ???c");
}

TEST(DocxText, SignsControlsAndAlternatives) {
    EXPECT_EQ(
        read_docx(
            "<w:p><w:r><w:sym w:font='Symbol' w:char='F0B1'/><w:t>3 </w:t><w:sym "
            "w:font='Wingdings' "
            "w:char='F0FC'/><w:sym w:font='Symbol' w:char='F061'/><w:noBreakHyphen/><w:ruby><w:rt>"
            "<w:r><w:t>kan</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>\u6F22</w:t></w:r></w:rubyBase>"
            "</w:ruby></w:r></w:p>"
            "<w:sdt><w:sdtPr><w:placeholder/></w:sdtPr><w:sdtContent>" +
            p("controlled") +
            "</w:sdtContent></w:sdt><w:p><w:hyperlink><w:r><w:t>link</w:t></w:r></w:hyperlink>"
            "<w:r><w:fldChar w:fldCharType='begin'/><w:instrText> PAGE </w:instrText><w:fldChar "
            "w:fldCharType='separate'/><w:t>7</w:t></w:r></w:p>"
            "<w:p><w:r><mc:AlternateContent><mc:Choice><w:txbxContent>" +
            p("box") + "</w:txbxContent></mc:Choice><mc:Fallback><w:txbxContent>" + p("box") +
            "</w:txbxContent></mc:Fallback></mc:AlternateContent></w:r></w:p>"
            "<w:p><w:r><mc:AlternateContent><mc:Fallback><w:txbxContent>" +
            p("only") + "</w:txbxContent></mc:Fallback></mc:AlternateContent></w:r></w:p>")
            .all(),
        "\u00B13 \u2713\u03B1-\u6F22(kan)\n\ncontrolled\n\nlink7\n\nbox\n\nonly");
}

}  // namespace
}  // namespace s3attn::text_test
