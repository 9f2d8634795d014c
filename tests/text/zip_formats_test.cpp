#include <gtest/gtest.h>

#include "text_test_util.h"

namespace s3attn::text_test {
namespace {

const std::string kLong = repeat("This sentence is about the sea and a ship. ", 6) + "The end.";

std::string paragraph(const std::string& text, const std::string& style = "") {
    const std::string properties =
        style.empty() ? "" : "<w:pPr><w:pStyle w:val=\"" + style + "\"/></w:pPr>";
    return "<w:p>" + properties + "<w:r><w:t xml:space=\"preserve\">" + text + "</w:t></w:r></w:p>";
}

Document good(const std::string& name, const std::string& bytes,
              const ReaderOptions& options = {}) {
    Document document = read_bytes(name, bytes, options);
    EXPECT_TRUE(document.ok) << document.error.message;
    EXPECT_EQ(broken_invariant(document, options), "");
    EXPECT_EQ(document.header.offsets, OffsetSpace::kExtracted);
    return document;
}

TEST(Docx, ParagraphsRunsTabsAndBreaks) {
    const Document document =
        good("a.docx",
             docx_bytes(paragraph("Title", "Heading1") +
                        "<w:p><w:pPr><w:tabs><w:tab w:val=\"left\"/></w:tabs></w:pPr><w:r><w:t>One"
                        "</w:t><w:tab/><w:t xml:space=\"preserve\"> two</w:t><w:br/></w:r><w:ins>"
                        "<w:r><w:t>new</w:t></w:r></w:ins><w:del><w:r><w:delText>old</w:delText>"
                        "<w:t>old</w:t></w:r></w:del></w:p>" +
                        paragraph("a &amp; b &#233;")));
    EXPECT_EQ(document.header.format, "docx");
    EXPECT_EQ(document.all(), "Title\n\nOne\t two\nnew\n\na & b \u00E9");
    EXPECT_EQ(document.units.at(0).line_begin, 1u);
    EXPECT_EQ(document.units.at(0).line_end, 6u);
}

TEST(Docx, HeadingsGoWithTheirText) {
    const Document document = good(
        "a.docx", docx_bytes(paragraph(kLong) + paragraph("Sea", "Heading2") + paragraph(kLong)));
    ASSERT_EQ(document.units.size(), 2u);
    EXPECT_EQ(document.units[1].text, "Sea\n\n" + kLong);
}

TEST(Docx, TablesBecomeLines) {
    const auto cell = [](const std::string& text) {
        return "<w:tc>" + paragraph(text) + "</w:tc>";
    };
    const Document document =
        good("a.docx", docx_bytes("<w:tbl><w:tr>" + cell("A") + cell("B") + "</w:tr><w:tr>" +
                                  cell("1") + cell("2") + "</w:tr></w:tbl>"));
    EXPECT_EQ(document.all(), "A\tB\n1\t2");
}

TEST(Docx, FootnotesFollow) {
    const std::string bytes = zip_bytes(
        {{"word/document.xml",
          "<w:document xmlns:w='w'><w:body>" + paragraph("Body") + "</w:body></w:document>"},
         {"word/footnotes.xml", "<w:footnotes xmlns:w='w'><w:footnote w:type='separator'>" +
                                    paragraph("----") + "</w:footnote><w:footnote>" +
                                    paragraph("A note") + "</w:footnote></w:footnotes>"}});
    EXPECT_EQ(good("a.docx", bytes).all(), "Body\n\nA note");
}

TEST(Docx, MalformedXmlNamesTheEntry) {
    const Document document =
        read_bytes("a.docx", zip_bytes({{"word/document.xml", "<w:document><w:body><w:p>"}}));
    EXPECT_EQ(document.error.code, ErrorCode::kCorrupt);
    EXPECT_NE(document.error.message.find("word/document.xml"), std::string::npos);
}

TEST(Docx, DeepNestingIsNoCrash) {
    good("a.docx", docx_bytes(repeat("<w:p><w:r>", 100000) + "<w:t>x</w:t>" +
                              repeat("</w:r></w:p>", 100000)));
}

TEST(Docx, EmptyDocumentHasNoUnits) {
    EXPECT_TRUE(good("a.docx", docx_bytes("<w:p/>")).units.empty());
}

TEST(Zip, BombsAreStoppedAtTheLimit) {
    ReaderOptions options;
    options.max_parse_bytes = 1 << 20;
    const std::string huge = std::string(20 << 20, ' ');
    for (const std::string& bytes : {docx_bytes(paragraph(huge)), epub_bytes({"<p>" + huge})}) {
        EXPECT_LT(bytes.size(), 100000u);
        const Document document = read_bytes("bomb", bytes, options);
        EXPECT_EQ(document.error.code, ErrorCode::kUnsupported);
        EXPECT_NE(document.error.message.find("unpacks to more than"), std::string::npos)
            << document.error.message;
    }
}

TEST(Epub, SpineOrderAndChapters) {
    const Document document =
        good("a.epub", epub_bytes({"<h1>One</h1><p>First chapter.</p>",
                                   "<h1>Two</h1><p>Second.</p>", "<p>Third <b>one</b>.</p>"}));
    EXPECT_EQ(document.header.format, "epub");
    ASSERT_EQ(document.units.size(), 3u);
    EXPECT_EQ(document.units[0].text, "One\n\nFirst chapter.");
    EXPECT_EQ(document.units[1].text, "Two\n\nSecond.");
    EXPECT_EQ(document.units[2].text, "Third one.");
    EXPECT_EQ(document.units[2].line_begin, 9u);
}

TEST(Epub, XmlStyleEmptyElementsSwallowNothing) {
    const Document document =
        good("a.epub", epub_bytes({"<a id='x'/><script src='y'/><p>Still <i/>here</p>"}));
    EXPECT_EQ(document.all(), "Still here");
}

TEST(Epub, MissingPartsAreNamed) {
    const auto error = [](std::vector<std::pair<std::string, std::string>> entries) {
        const Document document = read_bytes("a.epub", zip_bytes(entries));
        EXPECT_FALSE(document.ok);
        return document.error.message;
    };
    const std::string container =
        "<container><rootfiles><rootfile full-path='b.opf'/></rootfiles></container>";
    EXPECT_NE(error({{"META-INF/container.xml", "<container"}}).find("META-INF/container.xml"),
              std::string::npos);
    EXPECT_NE(error({{"META-INF/container.xml", container}}).find("b.opf"), std::string::npos);
    EXPECT_NE(error({{"META-INF/container.xml", container}, {"b.opf", "<package/>"}}).find("spine"),
              std::string::npos);
    EXPECT_NE(error({{"META-INF/container.xml", container},
                     {"b.opf",
                      "<package><manifest><item id='a' href='../../etc/a.xhtml' "
                      "media-type='application/xhtml+xml'/></manifest><spine><itemref "
                      "idref='a'/></spine></package>"}})
                  .find("etc/a.xhtml: missing"),
              std::string::npos);
}

// An EPUB of these manifest items (id, href, media type), in this order, and entries.
using Entries = std::vector<std::pair<std::string, std::string>>;
std::string book(const std::string& items, const std::string& spine, Entries entries) {
    entries.emplace_back(
        "META-INF/container.xml",
        "<container><rootfiles><rootfile full-path='O/b.opf'/></rootfiles></container>");
    entries.emplace_back("O/b.opf", "<package><manifest>" + items + "</manifest><spine>" + spine +
                                        "</spine></package>");
    return zip_bytes(entries, true);
}

std::string item(const std::string& id, const std::string& href,
                 const std::string& more = "media-type='application/xhtml+xml'") {
    return "<item id='" + id + "' href='" + href + "' " + more + "/>";
}

std::string in_order(const std::string& id) { return "<itemref idref='" + id + "'/>"; }

std::string chapter(const std::string& text) {
    return "<html><body><p>" + text + "</p></body></html>";
}

TEST(Epub, AMissingOrDamagedChapterCostsNoOther) {
    std::string bytes = book(item("a", "a.xhtml") + item("b", "b.xhtml") + item("c", "c.xhtml"),
                             in_order("a") + in_order("b") + in_order("x") + in_order("c"),
                             {{"O/a.xhtml", chapter("First.")}, {"O/c.xhtml", chapter("Third.")}});
    Document document = good("a.epub", bytes);
    EXPECT_EQ(document.all(), "First.\n\nThird.");
    ASSERT_EQ(document.header.notes.size(), 2u);
    EXPECT_EQ(document.header.notes[0].text(),
              "O/b.opf: the chapter 'x' is in the reading order and nowhere else");
    EXPECT_EQ(document.header.notes[1].kind, ReadNote::Kind::kUnread);
    EXPECT_EQ(document.header.notes[1].place, "O/b.xhtml");
    EXPECT_EQ(document.header.notes[1].message.find("missing in the archive"), 0u)
        << document.header.notes[1].message;

    bytes = book(item("a", "a.xhtml") + item("b", "b.xhtml"), in_order("a") + in_order("b"),
                 {{"O/a.xhtml", chapter("First.")}, {"O/b.xhtml", chapter("Second.")}});
    bytes[bytes.find("Second")] = 's';  // its checksum is wrong now
    document = good("a.epub", bytes);
    EXPECT_EQ(document.all(), "First.");
    ASSERT_EQ(document.header.notes.size(), 1u);
    EXPECT_EQ(document.header.notes[0].place, "O/b.xhtml");
}

TEST(Zip, WhatIsFoundOfADamagedArchiveIsRead) {
    const std::string whole =
        book(item("a", "a.xhtml") + item("b", "b.xhtml"), in_order("a") + in_order("b"),
             {{"O/a.xhtml", chapter("First.")}, {"O/b.xhtml", chapter("Second.")}});
    const auto read = [](const std::string& bytes) {
        const Document document = good("a.epub", bytes);
        EXPECT_FALSE(document.header.notes.empty());
        if (!document.header.notes.empty()) {
            EXPECT_EQ(document.header.notes[0].kind, ReadNote::Kind::kUnread);
            EXPECT_NE(document.header.notes[0].message.find("damaged"), std::string::npos);
        }
        return document.all();
    };
    EXPECT_EQ(read(whole.substr(0, whole.size() - 30)), "First.\n\nSecond.");
    std::string damaged = whole;
    damaged[whole.find("PK\x01\x02")] = 'x';
    EXPECT_EQ(read(damaged), "First.\n\nSecond.");
    // Cut off in the first chapter but one: its book's list is gone too.
    EXPECT_EQ(read(whole.substr(0, whole.find("Second"))), "First.");
    // A DOCX without its end, packed: each part is found by its own header.
    const std::string docx = docx_bytes(paragraph("Body"));
    EXPECT_EQ(read(docx.substr(0, docx.find("PK\x01\x02"))), "Body");
    EXPECT_FALSE(read_bytes("a.epub", whole.substr(0, 20)).ok);
}

TEST(Epub, NamesAreFoundInAnySpelling) {
    const Document document =
        good("a.epub", book(item("a", "Text/A.xhtml") + item("b", "caf%C3%A9.xhtml") +
                                item("c", "c%20d.xhtml") + item("d", "text\\e.xhtml"),
                            in_order("a") + in_order("b") + in_order("c") + in_order("d"),
                            {{"O/text/a.XHTML", chapter("case")},
                             {"O/cafe\u0301.xhtml", chapter("normal form")},
                             {"O/c%20d.xhtml", chapter("percent")},
                             {"O/text/e.xhtml", chapter("slash")}}));
    EXPECT_EQ(document.all(), "case\n\nnormal form\n\npercent\n\nslash");
    EXPECT_TRUE(document.header.notes.empty()) << document.header.notes[0].text();
}

TEST(Epub, ChaptersOfOtherTypesAreReadOrNamed) {
    const Document document = good(
        "a.epub", book(item("a", "a.xhtml", "media-type='application/octet-stream'") +
                           item("b", "b.xml", "media-type='application/x-dtbook+xml'") +
                           item("c", "c.svg", "media-type='image/svg+xml'") +
                           item("d", "d.jpg", "media-type='image/jpeg'") +
                           item("e", "e.jpg", "media-type='image/jpeg' fallback='f'") +
                           item("f", "f.xhtml") + item("g", "g.txt", "media-type='text/plain'"),
                       in_order("a") + in_order("b") + in_order("c") + in_order("d") +
                           in_order("e") + in_order("g"),
                       {{"O/a.xhtml", chapter("octets")},
                        {"O/b.xml", "<dtbook><p>daisy</p></dtbook>"},
                        {"O/c.svg", "<svg><text>drawn</text></svg>"},
                        {"O/d.jpg", "\xFF\xD8"},
                        {"O/e.jpg", "\xFF\xD8"},
                        {"O/f.xhtml", chapter("stands for it")},
                        {"O/g.txt", "plain"}}));
    EXPECT_EQ(document.all(), "octets\n\ndaisy\n\ndrawn\n\nstands for it\n\nplain");
    ASSERT_EQ(document.header.notes.size(), 1u);
    EXPECT_NE(document.header.notes[0].text().find("O/d.jpg: holds no text (an image"),
              std::string::npos)
        << document.header.notes[0].text();
}

TEST(Epub, ChaptersInOtherEncodings) {
    const Document document =
        good("a.epub",
             book(item("a", "a.xhtml") + item("b", "b.xhtml") + item("c", "c.xhtml"),
                  in_order("a") + in_order("b") + in_order("c"),
                  {{"O/a.xhtml", chapter("caf\xE9?")},
                   {"O/b.xhtml", "<?xml version='1.0' encoding='iso-8859-2'?>" + chapter("\xB3")},
                   {"O/c.xhtml", "<?xml version='1.0' encoding='no-such'?>" + chapter("plain")}}));
    EXPECT_EQ(document.all(), "caf\u00E9?\n\n\u0142\n\nplain");
    ASSERT_EQ(document.header.notes.size(), 1u);
    EXPECT_EQ(document.header.notes[0].kind, ReadNote::Kind::kConverted);
    EXPECT_EQ(document.header.notes[0].place, "O/a.xhtml");
}

TEST(Epub, PartsOutsideTheReadingOrder) {
    const Document document =
        good("a.epub",
             book(item("nav", "nav.xhtml", "properties='nav' media-type='application/xhtml+xml'") +
                      item("n", "notes.xhtml") + item("a", "a.xhtml"),
                  in_order("a") + in_order("a"),
                  {{"O/nav.xhtml", chapter("Contents")},
                   {"O/notes.xhtml", chapter("A note")},
                   {"O/a.xhtml", chapter("Body")},
                   {"O/old.xhtml", chapter("Draft")}}));
    EXPECT_EQ(document.all(), "Body\n\nA note");
    ASSERT_EQ(document.header.notes.size(), 2u);
    for (const ReadNote& note : document.header.notes) {
        EXPECT_EQ(note.kind, ReadNote::Kind::kLeftOut) << note.text();
    }
    EXPECT_EQ(document.header.notes[0].place, "O/nav.xhtml");
    EXPECT_EQ(document.header.notes[1].place, "O/old.xhtml");
}

TEST(Epub, WithoutItsListChaptersFollowInOrderOfNames) {
    const Document document = good("a.epub", zip_bytes({{"META-INF/container.xml", "<container"},
                                                        {"b.xhtml", chapter("Second.")},
                                                        {"a.xhtml", chapter("First.")}}));
    EXPECT_EQ(document.all(), "First.\n\nSecond.");
    ASSERT_EQ(document.header.notes.size(), 1u);
    EXPECT_EQ(document.header.notes[0].kind, ReadNote::Kind::kUnread);
}

TEST(Epub, EncryptedChaptersAreNamed) {
    const Document document = good(
        "a.epub", book(item("a", "a.xhtml") + item("b", "b.xhtml"), in_order("a") + in_order("b"),
                       {{"O/a.xhtml", chapter("Open.")},
                        {"O/b.xhtml", "\x01\x02"},
                        {"META-INF/encryption.xml",
                         "<encryption><CipherReference URI='O/b.xhtml'/></encryption>"}}));
    EXPECT_EQ(document.all(), "Open.");
    ASSERT_EQ(document.header.notes.size(), 1u);
    EXPECT_NE(document.header.notes[0].message.find("DRM"), std::string::npos);
}

TEST(Epub, CopyProtectionIsNamed) {
    const Document document = read_bytes(
        "a.epub",
        zip_bytes({{"META-INF/container.xml",
                    "<container><rootfiles><rootfile full-path='b.opf'/></rootfiles></container>"},
                   {"META-INF/encryption.xml",
                    "<encryption><EncryptedData><CipherData><CipherReference URI='a.xhtml'/>"
                    "</CipherData></EncryptedData></encryption>"},
                   {"a.xhtml", "\x01\x02"},
                   {"b.opf",
                    "<package><manifest><item id='a' href='a.xhtml' "
                    "media-type='application/xhtml+xml'/></manifest><spine><itemref "
                    "idref='a'/></spine></package>"}}));
    EXPECT_NE(document.error.message.find("DRM"), std::string::npos) << document.error.message;
}

}  // namespace
}  // namespace s3attn::text_test
