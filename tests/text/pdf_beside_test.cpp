// What a PDF holds beside its pages: comments, attached files, forms that are filled in.
#include <gtest/gtest.h>

#include "text/child_process.h"
#include "text_test_util.h"

namespace s3attn::text_test {
namespace {

class PdfBeside : public testing::Test {
  protected:
    void SetUp() override {
        for (const char* program : {"pdftotext", "pdfdetach", "qpdf"}) {
            if (text::find_program(program).empty()) GTEST_SKIP() << program << " is missing";
        }
    }
};

std::string stream(const std::string& content, const std::string& keys = {}) {
    return "<< " + keys + " /Length " + std::to_string(content.size()) + " >>\nstream\n" + content +
           "\nendstream";
}

// Two pages, the first with the line "The cover letter." or `first`; `objects` are numbered from 8.
Document pdf(const std::string& catalog, const std::string& first_page,
             const std::string& second_page, const std::vector<std::string>& objects,
             const std::string& first = pdf_lines("The cover letter.")) {
    const auto page = [](const std::string& keys, int contents) {
        return "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents " +
               std::to_string(contents) + " 0 R /Resources << /Font << /F1 7 0 R >> >> " + keys +
               " >>";
    };
    std::vector<std::string> all = {"<< /Type /Catalog /Pages 2 0 R " + catalog + " >>",
                                    "<< /Type /Pages /Kids [3 0 R 5 0 R] /Count 2 >>",
                                    page(first_page, 4),
                                    stream(first),
                                    page(second_page, 6),
                                    stream(pdf_lines("The second page.")),
                                    "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"};
    all.insert(all.end(), objects.begin(), objects.end());
    Document document = read_bytes("a.pdf", pdf_of_objects(all));
    if (document.ok) {
        EXPECT_EQ(broken_invariant(document, {}), "");
    }
    return document;
}

// Text that is on one page, without the form feeds between pages.
std::string on_page(const Document& document, uint32_t page) {
    std::string text;
    for (const Unit& unit : document.units) {
        if (unit.page == page) text += (text.empty() ? "" : "\n") + unit.text;
    }
    return text;
}

std::string notes_of(const Document& document) {
    std::string all;
    for (const ReadNote& note : document.header.notes) all += note.text() + "\n";
    return all;
}

TEST_F(PdfBeside, CommentsAreReadUnderTheirPages) {
    const Document document =
        pdf("", "/Annots [9 0 R]",
            "/Annots 8 0 R",  // a list that stands apart, with one comment inside it
            {"[10 0 R << /Subtype /Caret /Rect [1 1 2 2] /Contents (Direct one.) >>]",
             "<< /Subtype /Text /Rect [1 1 2 2] /T <FEFF004D00FC> /Contents (Brandt objects.) >>",
             "<< /Subtype /Highlight /Rect [1 1 2 2] /QuadPoints [1 2 2 2 1 1 2 1] "
             "/Contents (Check it.) >>",
             "<< /Subtype /Text /Rect [1 1 2 2] /Contents (Deleted, no page shows it.) >>"});
    ASSERT_TRUE(document.ok) << document.error.message;
    EXPECT_EQ(on_page(document, 1), "The cover letter.\nComment by M\u00FC: Brandt objects.");
    EXPECT_EQ(on_page(document, 2), "The second page.\nComment: Check it.\n\nComment: Direct one.");
    EXPECT_EQ(notes_of(document), "");
}

TEST_F(PdfBeside, LinksAndWhatIsDrawnOnThePageAreNotReadTwice) {
    const Document document =
        pdf("", "/Annots [8 0 R 9 0 R]", "",
            {"<< /Subtype /Link /Rect [1 1 2 2] /Contents (A link.) >>",
             "<< /Subtype /FreeText /Rect [70 490 300 512] /DA (/Helv 12 Tf 0 g) /Contents (Free "
             "text.) >>"});
    ASSERT_TRUE(document.ok) << document.error.message;
    EXPECT_EQ(document.all().find("A link."), std::string::npos);
    const size_t free_text = document.all().find("Free text.");
    ASSERT_NE(free_text, std::string::npos) << document.all();
    EXPECT_EQ(document.all().find("Free text.", free_text + 1), std::string::npos);
}

TEST_F(PdfBeside, AttachedFilesAreReadByTheirOwnFormatOrNamed) {
    const auto spec = [](const std::string& name, const std::string& file) {
        return "<< /Type /Filespec /F (" + name + ") /EF << /F " + file + " >> >>";
    };
    const Document document =
        pdf("/Names << /EmbeddedFiles << /Names [(a) 8 0 R (b) 9 0 R (c) 10 0 R (d) 15 0 R] >> >>",
            // One that is pinned to a page.
            "/Annots [<< /Subtype /FileAttachment /Rect [1 1 2 2] /FS " +
                spec("pin.html", "14 0 R") + " >>]",
            "",
            {spec("figures.csv", "11 0 R"), spec("broken.docx", "12 0 R"),
             spec("photo.png", "13 0 R"), stream("name,value\nUlm,77\nBern,88\n"),
             stream("PK\x03\x04 cut off"), stream("\x89PNG\r\n\x1A\n rest"),
             stream("<html><body><p>Pinned fee: 31 &amp; more.</p></body></html>"),
             spec("inner.pdf", "16 0 R"), stream(pdf_bytes({"Inner text of Ulm."}))});
    ASSERT_TRUE(document.ok) << document.error.message;
    const std::string text = document.all();
    EXPECT_NE(text.find("Attachment: figures.csv\n\nname,value\nUlm,77\nBern,88"), text.npos)
        << text;
    EXPECT_NE(text.find("Attachment: pin.html\n\nPinned fee: 31 & more."), text.npos) << text;
    EXPECT_NE(text.find("Attachment: inner.pdf\n\nInner text of Ulm."), text.npos) << text;
    const std::string notes = notes_of(document);
    EXPECT_NE(notes.find("attachment broken.docx: "), notes.npos) << notes;
    EXPECT_NE(notes.find("attached pictures, recordings and programs: 1"), notes.npos) << notes;
}

TEST_F(PdfBeside, ACoverWithoutTextCostsNoAttachment) {
    const Document document =
        pdf("/Names << /EmbeddedFiles << /Names [(a) 8 0 R] >> >>", "", "/Contents 4 0 R",
            {"<< /Type /Filespec /F (a.txt) /EF << /F 9 0 R >> >>", stream("The fee is 12.")}, "");
    ASSERT_TRUE(document.ok) << document.error.message;
    EXPECT_NE(document.all().find("The fee is 12."), std::string::npos);
}

TEST_F(PdfBeside, WhatAFormWasFilledInWithIsReadOnce) {
    const Document document = pdf(
        "/AcroForm << /Fields [8 0 R 9 0 R 10 0 R 11 0 R] >>", "/Annots [8 0 R 9 0 R]",
        "/Annots [10 0 R 11 0 R]",
        {"<< /FT /Tx /Subtype /Widget /T (applicant) /TU (Name of applicant) /V (Leonora Quist) "
         "/F 2 /Rect [1 1 2 2] >>",
         "<< /FT /Tx /Subtype /Widget /T (shown) /V (cover  letter) /Rect [1 1 2 2] >>",
         "<< /FT /Btn /Subtype /Widget /T (agree) /V /Yes /AS /Yes /Rect [1 1 2 2] >>",
         "<< /FT /Btn /Subtype /Widget /T (refuse) /V /Off /AS /Off /Rect [1 1 2 2] >>"});
    ASSERT_TRUE(document.ok) << document.error.message;
    EXPECT_NE(on_page(document, 1).find("Form field Name of applicant: Leonora Quist"),
              std::string::npos)
        << document.all();
    EXPECT_NE(on_page(document, 2).find("Form field agree: Yes"), std::string::npos);
    EXPECT_EQ(document.all().find("shown"), std::string::npos);
    EXPECT_EQ(document.all().find("refuse"), std::string::npos);
}

TEST_F(PdfBeside, AFormThatOnlyAcrobatDrawsIsNamed) {
    const Document document = pdf("/NeedsRendering true /AcroForm << /Fields [] >>", "", "", {});
    EXPECT_NE(notes_of(document).find("XFA"), std::string::npos) << notes_of(document);
}

}  // namespace
}  // namespace s3attn::text_test
