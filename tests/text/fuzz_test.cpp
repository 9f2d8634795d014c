// Damaged files of every format: an error or a document, never a crash or a hang.
#include <gtest/gtest.h>

#include <random>

#include "text/pdf_text.h"
#include "text_test_util.h"

namespace s3attn::text_test {
namespace {

void try_damaged(const std::string& name, const std::string& bytes, int rounds) {
    const TempDirectory directory;
    std::mt19937 random(7);
    ReaderOptions options;
    options.max_parse_bytes = 1 << 20;
    options.child_seconds = 10;
    for (int round = 0; round < rounds; ++round) {
        std::string damaged = bytes;
        if (round % 3 == 0) damaged.resize(random() % bytes.size());
        const size_t flips = round % 3 == 0 ? 0 : 1 + random() % 8;
        for (size_t i = 0; i < flips; ++i) {
            damaged[random() % damaged.size()] ^= static_cast<char>(1u << (random() % 8));
        }
        const Document document = read_document(directory.write(name, damaged), options);
        if (document.ok) {
            EXPECT_EQ(broken_invariant(document, options), "") << name << " round " << round;
        } else {
            EXPECT_FALSE(document.error.message.empty());
            EXPECT_NE(document.error.message.find(name), std::string::npos)
                << document.error.message;
        }
    }
}

TEST(Damaged, Docx) {
    const std::string body = repeat("<w:p><w:r><w:t>Some text</w:t></w:r></w:p>", 30);
    try_damaged("a.docx", docx_bytes(body), 300);
    try_damaged("b.docx",
                zip_bytes({{"word/document.xml", "<w:document>" + body + "</w:document>"}}, true),
                300);
}

TEST(Damaged, Epub) {
    try_damaged("a.epub", epub_bytes({"<h1>One</h1><p>First</p>", "<p>Second</p>"}), 400);
}

// Stored, so that a change of a byte is a change of the content.
TEST(Damaged, OfficeFormats) {
    const std::string row =
        "<row r='1'><c r='A1' t='s'><v>0</v></c><c r='C1' s='1'><v>43525.5</v></c></row>";
    try_damaged(
        "a.xlsx",
        zip_bytes(
            {{"xl/workbook.xml",
              "<workbook xmlns:r='r'><sheets><sheet name='S' r:id='a'/></sheets></workbook>"},
             {"xl/_rels/workbook.xml.rels",
              "<Relationships><Relationship Id='a' Type='x/worksheet' Target='s.xml'/>"
              "<Relationship Id='b' Type='x/sharedStrings' Target='t.xml'/><Relationship "
              "Id='c' Type='x/styles' Target='y.xml'/></Relationships>"},
             {"xl/t.xml", "<sst><si><t>City</t></si></sst>"},
             {"xl/y.xml",
              "<styleSheet><cellXfs><xf numFmtId='0'/><xf numFmtId='22'/>"
              "</cellXfs></styleSheet>"},
             {"xl/s.xml", "<worksheet><sheetData>" + row + row + row + "</sheetData></worksheet>"}},
            true),
        400);
    try_damaged("a.pptx",
                zip_bytes({{"ppt/presentation.xml",
                            "<p:p xmlns:r='r'><p:sldIdLst><p:sldId r:id='a'/></p:sldIdLst></p:p>"},
                           {"ppt/_rels/presentation.xml.rels",
                            "<Relationships><Relationship Id='a' Type='x/slide' Target='s.xml'/>"
                            "</Relationships>"},
                           {"ppt/s.xml",
                            "<p:sld><p:sp><p:nvSpPr><p:nvPr><p:ph type='title'/></p:nvPr>"
                            "</p:nvSpPr><a:p><a:r><a:t>T</a:t></a:r></a:p></p:sp><a:tbl><a:tr>"
                            "<a:tc><a:p><a:r><a:t>c</a:t></a:r></a:p></a:tc></a:tr></a:tbl>"
                            "</p:sld>"}},
                          true),
                400);
    for (const std::string kind : {"text", "spreadsheet", "presentation"}) {
        const std::string name = kind == "text"          ? "a.odt"
                                 : kind == "spreadsheet" ? "a.ods"
                                                         : "a.odp";
        try_damaged(
            name,
            zip_bytes(
                {{"mimetype", "application/vnd.oasis.opendocument." + kind},
                 {"content.xml",
                  "<d><o:automatic-styles><t:list-style s:name='L'><t:list-level-style-number "
                  "t:level='1' s:num-format='a'/></t:list-style></o:automatic-styles><o:body><o:" +
                      kind +
                      "><d:page><t:h t:outline-level='2'>H</t:h><t:list t:style-name='L'>"
                      "<t:list-item><t:p>a<t:s "
                      "t:c='3'/><t:note><t:note-citation>1</t:note-citation>"
                      "<t:note-body><t:p>n</t:p></t:note-body></t:note></t:p></t:list-item></"
                      "t:list>"
                      "<t:table t:name='S'><t:table-row t:number-rows-repeated='7'><t:table-cell "
                      "t:number-columns-repeated='9'><t:p>c</t:p></t:table-cell></t:table-row>"
                      "</t:table></d:page></o:" +
                      kind + "></o:body></d>"}},
                true),
            300);
    }
}

TEST(Damaged, MarkedTexts) {
    const std::string text = repeat("Words of a line, and more of them.\n", 8);
    try_damaged("a.csv", "a;b\n\"x\ny\";2\n\"\"\"\";3\n" + text, 300);
    try_damaged("a.rst", "==\nTi\n==\n\nA::\n\n  x\n\n  y\n\n.. note::\n\n  z\n\n+--+\n" + text,
                300);
    try_damaged("a.org", "* A\n#+BEGIN_SRC c\nx\n#+END_SRC\n:PROPERTIES:\n:END:\n| a |\n" + text,
                300);
    try_damaged("a.tex", "\\section{A}\n\\begin{table}\nx\n\n\\end{table}\n" + text, 300);
    try_damaged("a.py", "@x\ndef f(a):\n    b\n\nclass C:\n" + text, 300);
    try_damaged("a.vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\n<v A>b &amp; {c}\n\nNOTE\n" + text,
                300);
    try_damaged("a.ipynb",
                R"({"cells":[{"cell_type":"markdown","source":["# A\n","b"]},{"cell_type":"code",)"
                R"("source":"x","outputs":[{"text":["y"]},{"data":{"text/plain":"z"}}]}]})",
                300);
    try_damaged("a.md",
                "---\ntitle: a\ndate: 2021-05-03\ntags:\n- b\n---\n# H\n\n|a|b|\n|-|-|\n|1|2|\n",
                300);
}

TEST(Damaged, Pdf) { try_damaged("a.pdf", pdf_bytes({"Page one", "Page two"}), 90); }

TEST(Damaged, Mail) {
    const std::string mail =
        "From: =?utf-8?q?R=C3=A9?= <a@b>\nTo: c\nSubject: x\nMIME-Version: 1.0\nContent-Type: "
        "multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; charset=koi8-r\n"
        "Content-Transfer-Encoding: quoted-printable\n\nA =C1=C2=\n more\n--b\nContent-Type: "
        "message/rfc822\n\nFrom: d\n\ninner\n--b\nContent-Type: text/html\n"
        "Content-Transfer-Encoding: base64\n\nPHA+aGVsbG88L3A+\n--b--\n";
    try_damaged("a.eml", mail, 500);
    try_damaged("a.mbox", "From a@b Mon May  3 10:00:00 2021\n" + mail + "\nFrom c\n" + mail, 300);
}

// What pdftotext writes comes from a hostile file too.
TEST(Damaged, PdfLayout) {
    std::string layout = "<doc>\n";
    for (int page = 0; page < 7; ++page) {
        layout += "<page width=\"595.2\" height=\"841.8\">\n<flow>\n<block xMin=\"72\">\n";
        for (const char* y : {"20.5", "74.1", "88.9", "805.4"}) {
            const std::string box =
                std::string(" xMin=\"72.0\" yMin=\"") + y + "\" xMax=\"90.9\" yMax=\"" + y + "9\">";
            layout += "<line" + box + "\n<word" + box + "A&amp;b-</word>\n<word" + box + "19" +
                      std::to_string(page) + "</word>\n</line>\n";
        }
        layout += "</block>\n</flow>\n</page>\n";
    }
    layout += "</doc>\n";
    std::mt19937 random(7);
    for (int round = 0; round < 400; ++round) {
        std::string damaged = layout;
        if (round % 3 == 0) damaged.resize(random() % layout.size());
        for (int i = 0; i < round % 9 && !damaged.empty(); ++i) {
            damaged[random() % damaged.size()] ^= static_cast<char>(1u << (random() % 8));
        }
        auto file = text::SourceFile::temporary("a.pdf");
        ASSERT_TRUE(file.ok() && write_all((*file)->fd(), damaged, "a.pdf").ok());
        const auto read = text::read_pdf_text(*file, ReaderOptions{});
        ASSERT_TRUE(read.ok()) << read.error().message;
        EXPECT_LE(read->page_count, 7u);
        uint64_t before = 0;
        for (const auto& [position, page] : read->pages) {
            EXPECT_GE(position, before);
            EXPECT_LE(position, read->bytes);
            EXPECT_LE(page, read->page_count);
            before = position;
        }
    }
}

TEST(Damaged, Html) {
    try_damaged("a.html",
                "<!DOCTYPE html><html><head><title>T</title></head><body><table><tr><td>x<pre>y"
                "</pre></table><ul><li>a<li>b</ul><p>text &amp; more</p></body></html>",
                500);
}

TEST(Damaged, Markdown) {
    try_damaged("a.md",
                "# T\n\n- a\n  - b\n\n> q\n\n```\nc\n```\n\n| a |\n|---|\n| b |\n\n[r]: x\n", 500);
}

}  // namespace
}  // namespace s3attn::text_test
