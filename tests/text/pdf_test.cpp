#include <gtest/gtest.h>
#include <unistd.h>

#include "text/child_process.h"
#include "text/pdf_furniture.h"
#include "text/pdf_line_end.h"
#include "text/pdf_noise.h"
#include "text/pdf_text.h"
#include "text_test_util.h"

namespace s3attn::text_test {
namespace {

using Numbers = std::vector<uint32_t>;

const std::string kProse =
    "The survey of the northern valley went on for years and\n"
    "was described by several authors in some detail, with maps\n"
    "of the paths, the wells and the old quarry above the weir.\n";
const std::string kImage = "q 400 0 0 600 50 50 cm BI /W 1 /H 1 /CS /G /BPC 8 ID x EI Q\n";

class PdfText : public testing::Test {
  protected:
    void SetUp() override {
        if (text::find_program("pdftotext").empty()) GTEST_SKIP() << "pdftotext is not installed";
    }
};

Document pdf(const std::vector<std::string>& contents) {
    Document document = read_bytes("a.pdf", text_test::pdf_of_contents(contents));
    if (document.ok) {
        EXPECT_EQ(broken_invariant(document, {}), "");
    }
    return document;
}

std::string notes_of(const Document& document, ReadNote::Kind kind) {
    std::string all;
    for (const ReadNote& note : document.header.notes) {
        if (note.kind == kind) all += note.text() + "\n";
    }
    return all;
}

TEST_F(PdfText, HyphensAtLineEnds) {
    const Document document = pdf({pdf_lines(
        kProse +
        "The fees are based on the price-\ndetermining factors of annex four. The team was well-\n"
        "known for its cli-\nmate work, and the twenty-\nthree members met in May. Call 555-\n"
        "0199 for the twelve-\nmonth plan COVID-\n19 desk. The Zorbl-\nquist was seen twice, and\n"
        "Zorblquist it is called. The Tar-\nskog lies there with Jean-\nPaul and an inter-\n"
        "national crowd - or so\nit is said.")});
    ASSERT_TRUE(document.ok) << document.error.message;
    const std::string text = document.all();
    const auto has = [&](const char* word) { return text.find(word) != std::string::npos; };
    EXPECT_TRUE(has("555-0199")) << text;
    EXPECT_TRUE(has("COVID-19"));
    EXPECT_TRUE(has("Zorblquist\nwas"));  // a word of the document
    EXPECT_TRUE(has("Jean-Paul"));
    EXPECT_TRUE(has("crowd - or so"));
    if (text::find_program("hunspell").empty() &&
        ::access("/usr/share/hunspell/en_US.dic", 4) != 0) {
        GTEST_SKIP() << "no dictionary: what is written stays";
    }
    EXPECT_TRUE(has("price-determining"));
    EXPECT_TRUE(has("well-known"));
    EXPECT_TRUE(has("climate\nwork"));
    EXPECT_TRUE(has("twenty-three"));
    EXPECT_TRUE(has("twelve-month"));
    EXPECT_TRUE(has("Tarskog"));  // "skog" is no word
    EXPECT_TRUE(has("international"));
}

TEST_F(PdfText, HyphensOfWordsThatAreLeftOutStay) {
    const Document document = pdf({pdf_lines(
        kProse +
        "Die Wasser-\nund Luftpflege, les sous-\net sur-titres, de in-\nen uitvoer, la pre-\n"
        "y posguerra stand hier.")});
    ASSERT_TRUE(document.ok) << document.error.message;
    for (const char* kept : {"Wasser-und", "sous-et", "in-en", "pre-y"}) {
        EXPECT_NE(document.all().find(kept), std::string::npos) << kept << document.all();
    }
}

TEST_F(PdfText, AFileWithoutItsBeginningIsReadAsFarAsItGoes) {
    const std::string whole = text_test::pdf_of_contents({pdf_lines(kProse)});
    const Document document = read_bytes("a.pdf", whole.substr(9));
    ASSERT_TRUE(document.ok) << document.error.message;
    EXPECT_EQ(document.header.format, "pdf");
    EXPECT_NE(document.all().find("northern valley"), std::string::npos);
}

TEST_F(PdfText, PagesWithoutTextAreNamed) {
    const Document document =
        pdf({pdf_lines(kProse), kImage, kImage, pdf_lines(kProse), kImage, ""});
    ASSERT_TRUE(document.ok) << document.error.message;
    EXPECT_EQ(notes_of(document, ReadNote::Kind::kUnread),
              "pages 2-3 and 5: 3 of 6 pages hold no text, only images: run OCR (ocrmypdf "
              "--skip-text IN OUT)\n");
    EXPECT_EQ(notes_of(document, ReadNote::Kind::kLeftOut),
              "page 6: 1 of 6 pages holds neither text nor images\n");
    EXPECT_EQ(document.header.notes[0].count, 3u);
}

TEST_F(PdfText, APageThatOnlyHasAStampOverItsScanIsNamed) {
    std::vector<std::string> pages = {pdf_lines(kProse) + pdf_lines("Scanned by Lumitex", 20, 8)};
    for (int i = 0; i < 5; ++i) pages.push_back(kImage + pdf_lines("Scanned by Lumitex", 20, 8));
    EXPECT_NE(notes_of(pdf(pages), ReadNote::Kind::kUnread).find("pages 2-6: 5 of 6 pages"),
              std::string::npos);
}

TEST_F(PdfText, UnreadableLettersAreNamedAndLeftOut) {
    const Document document =
        pdf({pdf_lines(kProse), pdf_lines("The auditor was\nLeonora Quist", 700, 12, 2)});
    ASSERT_TRUE(document.ok) << document.error.message;
    EXPECT_EQ(document.units.size(), 1u);
    EXPECT_NE(notes_of(document, ReadNote::Kind::kUnread)
                  .find("page 2: 1 of 2 pages holds "
                        "unreadable text"),
              std::string::npos);
    const Document nothing = pdf({pdf_lines("The auditor was\nLeonora Quist", 700, 12, 2)});
    EXPECT_FALSE(nothing.ok);
    EXPECT_NE(nothing.error.message.find("--force-ocr"), std::string::npos);
    // A few such letters: the page is read, and the fault is named.
    const Document some = pdf({pdf_lines(kProse) + pdf_lines("Quist", 500, 12, 2)});
    EXPECT_TRUE(some.ok);
    EXPECT_NE(notes_of(some, ReadNote::Kind::kUnread).find("page 1: 5 characters are unreadable"),
              std::string::npos);
}

TEST_F(PdfText, HeadersAndFootersStandOnceAndSentencesGoOnOverPages) {
    std::vector<std::string> pages;
    for (int page = 1; page <= 6; ++page) {
        std::string body = "Season " + std::to_string(page * 7) + " begins.\n" + kProse;
        if (page == 3) body += "The chief auditor who signed the accounts of the year was Mrs";
        if (page == 4)
            body = "Leonora Quist of Stavanger, and her fee was 310,000 crowns.\n" + body;
        pages.push_back(pdf_lines("ACME Holding plc Annual Report 2021", 770, 9) +
                        pdf_lines(body, 700) +
                        pdf_lines("Page " + std::to_string(page) + " of 6", 25, 9));
    }
    const Document document = pdf(pages);
    ASSERT_TRUE(document.ok) << document.error.message;
    std::string all = document.all();
    EXPECT_NE(all.find("was Mrs\nLeonora Quist of Stavanger"), std::string::npos) << all;
    size_t headers = 0;
    for (const Unit& unit : document.units) {
        const bool header = unit.text.find("ACME") != std::string::npos;
        headers += header ? 1 : 0;
        EXPECT_FALSE(header && unit.text.find("valley") != std::string::npos);
        if (unit.text.find("Quist") != std::string::npos) {
            EXPECT_EQ(unit.page, 3u);
        }
    }
    EXPECT_EQ(headers, 1u);
    ASSERT_EQ(document.header.notes.size(), 1u);
    EXPECT_EQ(document.header.notes[0].kind, ReadNote::Kind::kLeftOut);
    EXPECT_EQ(document.header.notes[0].count, 10u);
}

TEST_F(PdfText, ATitleBesideAPageNumberIsKeptApart) {
    const char* titles[] = {"The lamp", "The lamp", "The oil", "The oil", "The log", "The log"};
    std::vector<std::string> pages;
    for (int page = 0; page < 6; ++page) {
        const std::string number = std::to_string(page + 20);
        std::string body = "Season " + std::to_string(page * 7) + " begins.\n" + kProse;
        if (page == 2) body += "The rent of the tower that the keeper paid each year was forty";
        if (page == 3) body = "crowns and a goose.\n" + body;
        pages.push_back("BT /F1 9 Tf 72 770 Td (" + std::string(titles[page]) +
                        ") Tj ET BT /F1 9 " + "Tf 500 770 Td (" + number + ") Tj ET\n" +
                        pdf_lines(body, 700));
    }
    const Document document = pdf(pages);
    const std::string all = document.all();
    EXPECT_NE(all.find("was forty\ncrowns and a goose."), std::string::npos) << all;
    for (const char* title : {"The lamp", "The oil", "The log"}) {
        EXPECT_NE(all.find(title), std::string::npos) << title;
    }
}

TEST_F(PdfText, WhatDiffersOnAPageStays) {
    std::vector<std::string> pages;
    for (int page = 1; page <= 6; ++page) {
        pages.push_back(pdf_lines("Invoice " + std::to_string(page * page + 4711), 770, 9) +
                        pdf_lines(kProse, 700));
    }
    const std::string all = pdf(pages).all();
    for (int page = 1; page <= 6; ++page) {
        EXPECT_NE(all.find("Invoice " + std::to_string(page * page + 4711)), std::string::npos);
    }
}

TEST_F(PdfText, RaisedFiguresStayApart) {
    const std::string content =
        "BT /F1 11 Tf 72 700 Td (The treaty was signed in 1804) Tj 4 Ts /F1 7 Tf (12) Tj 0 Ts /F1 "
        "11 Tf ( by both. About 10) Tj 4 Ts /F1 7 Tf (6) Tj 0 Ts /F1 11 Tf ( crowns for 40 km) Tj "
        "4 Ts /F1 7 Tf (2) Tj 0 Ts /F1 11 Tf ( on the 1) Tj 4 Ts /F1 7 Tf (st) Tj 0 Ts /F1 11 Tf "
        "( of May.) Tj ET\n";
    EXPECT_EQ(pdf({content}).all(),
              "The treaty was signed in 1804[12] by both. About 10^6 crowns for 40 km^2 on the 1st "
              "of May.");
}

TEST_F(PdfText, DamageIsNamed) {
    std::string bytes = pdf_of_contents({pdf_lines(kProse), pdf_lines("More of it.")});
    const size_t end = bytes.rfind("endstream");
    const Document document =
        read_bytes("a.pdf", bytes.substr(0, end - 20) + bytes.substr(end + 9));
    ASSERT_TRUE(document.ok) << document.error.message;
    EXPECT_NE(document.all().find("northern valley"), std::string::npos);
    EXPECT_NE(notes_of(document, ReadNote::Kind::kUnread).find("damaged"), std::string::npos);
}

TEST(PdfFurnitureLines, AreAlikeButForThePage) {
    using text::same_but_page_number;
    EXPECT_TRUE(same_but_page_number("ACME plc", 1, "ACME plc", 9));
    EXPECT_TRUE(same_but_page_number("Page 3 of 60", 3, "Page 5 of 60", 5));
    EXPECT_TRUE(same_but_page_number("- xi -", 2, "- xii -", 3));
    EXPECT_FALSE(same_but_page_number("Page 3 of 60", 3, "Page 6 of 60", 5));
    EXPECT_FALSE(same_but_page_number("Invoice 4711", 1, "Invoice 4720", 2));
    EXPECT_FALSE(same_but_page_number("ACME", 1, "ACME plc", 2));
}

TEST(PdfPageList, IsWritten) {
    EXPECT_EQ(text::page_list({3}), "page 3");
    EXPECT_EQ(text::page_list({2, 3, 4}), "pages 2-4");
    EXPECT_EQ(text::page_list(Numbers{1, 3, 4, 9}), "pages 1, 3-4 and 9");
}

TEST(PdfNoise, LettersThatNoLanguagePutsTogether) {
    const auto is_noise = [](const std::string& words) {
        text::LetterProfile profile;
        profile.add(words);
        return profile.is_noise();
    };
    std::string shifted;  // by three, as a map with an offset gives
    for (const char c :
         repeat("It is said that the keeper was seen at night with a lantern and a cat. ", 8)) {
        const bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        shifted += letter ? static_cast<char>(((c | 0x20) - 'a' + 3) % 26 + 'a') : c;
    }
    EXPECT_TRUE(is_noise(shifted));
    EXPECT_FALSE(is_noise(repeat(kProse, 4)));
    EXPECT_FALSE(is_noise(repeat("GATTACAGATTACACCGT", 40)));
    EXPECT_FALSE(is_noise(repeat("Strč prst skrz krk, vlk zmrzl, zmlkl. ", 2)));
    EXPECT_FALSE(is_noise(repeat("PX-4471 KRT-20B QZ9 ", 40)));
    EXPECT_FALSE(is_noise(repeat("\u041C\u0435\u043B\u044C\u043D\u0438\u0446\u0430 ", 90)));
}

}  // namespace
}  // namespace s3attn::text_test
