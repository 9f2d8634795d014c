// One page of a PDF for the eye: its image, and where a passage stands on it.
#include "text/pdf_page.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "text/child_process.h"
#include "text_test_util.h"

namespace s3attn::text_test {
namespace {

using text::PdfBox;
using text::PdfPage;

// Words ten points wide and high, a line each of `lines`.
PdfPage page_of(const std::vector<std::vector<std::string>>& lines) {
    PdfPage page;
    page.width = page.height = 1000;
    for (size_t i = 0; i < lines.size(); ++i) {
        page.lines.emplace_back();
        const float top = 20.0f * static_cast<float>(i);
        for (size_t k = 0; k < lines[i].size(); ++k) {
            const float left = 10.0f * static_cast<float>(k);
            page.lines.back().words.push_back({{left, top, left + 10, top + 10}, lines[i][k]});
        }
    }
    return page;
}

std::string marked(const PdfPage& page, const std::string& passage) {
    std::string all;
    for (const PdfBox& box : text::boxes_of_passage(page, passage)) {
        all += std::to_string(static_cast<int>(box.top) / 20) + ":" +
               std::to_string(static_cast<int>(box.left) / 10) + "-" +
               std::to_string(static_cast<int>(box.right) / 10) + " ";
    }
    return all;
}

TEST(PdfPassage, WordsOfALineAreOneBox) {
    const PdfPage page = page_of({{"It", "was", "quiet.", "The", "old"},
                                  {"lighthouse", "at", "Varden", "burnt", "down."},
                                  {"Nobody", "saw", "anything."}});
    EXPECT_EQ(marked(page, "The old lighthouse at Varden burnt down."), "0:3-5 1:0-5 ");
    EXPECT_EQ(marked(page, "Varden"), "1:2-3 ");
    EXPECT_EQ(marked(page, "An owl."), "");
    EXPECT_EQ(marked(page, ""), "");
    EXPECT_EQ(marked(page, " ... "), "");
    EXPECT_EQ(marked(PdfPage{}, "Varden"), "");
}

TEST(PdfPassage, HyphensLigaturesAndCaseDoNotMatter) {
    const PdfPage page = page_of({{"A", "most",
                                   "di\xEF\xAC\x83"
                                   "cult",
                                   "ascer-"},
                                  {"tainment", "of", "CAF\xC3\x89", "prices"}});
    EXPECT_EQ(marked(page, "difficult ascertainment of cafe\xCC\x81 prices"), "0:2-4 1:0-4 ");
}

TEST(PdfPassage, APassageOfTwoPagesIsMarkedOnBoth) {
    const PdfPage first = page_of({{"Before", "it.", "The", "lighthouse"}});
    const PdfPage second = page_of({{"keepers", "grew", "potatoes."}, {"Something", "else."}});
    const std::string passage = "The lighthouse keepers grew potatoes.";
    EXPECT_EQ(marked(first, passage), "0:2-4 ");
    EXPECT_EQ(marked(second, passage), "0:0-3 ");
}

TEST(PdfPassage, TheSameWordsElsewhereOnThePageAreLeft) {
    std::vector<std::vector<std::string>> lines = {{"the", "lighthouse", "keepers", "sang"}};
    for (int i = 0; i < 30; ++i) lines.push_back({"filling", "words", "without", "any", "worth"});
    lines.push_back({"Of", "old", "the", "lighthouse", "keepers", "grew", "potatoes", "here."});
    EXPECT_EQ(marked(page_of(lines), "Of old the lighthouse keepers grew potatoes here."),
              "31:0-8 ");
}

class PdfPageFile : public testing::Test {
  protected:
    void SetUp() override {
        if (text::find_program("pdftoppm").empty()) GTEST_SKIP() << "pdftoppm is not installed";
    }
    text::PdfPageRequest request(const std::string& bytes, uint32_t page) {
        const std::string path = folder_.write("a.pdf", bytes);
        file_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        return {file_, "a.pdf", page, 20};
    }
    ~PdfPageFile() override { ::close(file_); }
    TempDirectory folder_;
    int file_ = -1;
};

TEST_F(PdfPageFile, ThePageIsDrawnAndItsWordsHavePlaces) {
    const std::string bytes =
        pdf_of_contents({pdf_lines("Nothing of note."), pdf_lines("Ingrid Solberg built it.")});
    const auto wanted = request(bytes, 2);
    const auto view = text::view_pdf_page(wanted, "Ingrid Solberg");
    ASSERT_TRUE(view.ok()) << view.error().message;
    EXPECT_EQ(view->pages, 2u);
    EXPECT_EQ(view->width, 612);
    EXPECT_EQ(view->height, 792);
    ASSERT_EQ(view->marked.size(), 1u);
    EXPECT_NEAR(view->marked[0].left, 72, 1);
    EXPECT_GT(view->marked[0].top, 50);
    EXPECT_LT(view->marked[0].bottom, 90);
    const auto image = text::draw_pdf_page(wanted, 400);
    ASSERT_TRUE(image.ok()) << image.error().message;
    EXPECT_EQ(image->substr(1, 3), "PNG");
    EXPECT_EQ(image->substr(16, 4), std::string("\0\0\x01\x90", 4));  // 400 wide
}

TEST_F(PdfPageFile, ATurnedPageHasTheSidesThatAreSeen) {
    std::string bytes = pdf_bytes({"Turned."});
    const size_t at = bytes.find("/Type /Page ");
    ASSERT_NE(at, bytes.npos);
    bytes.insert(at, "/Rotate 90 ");  // poppler finds the objects again
    const auto view = text::view_pdf_page(request(bytes, 1), "Turned");
    ASSERT_TRUE(view.ok()) << view.error().message;
    EXPECT_GT(view->width, view->height);
    ASSERT_EQ(view->marked.size(), 1u);
    EXPECT_LE(view->marked[0].right, view->width);
}

TEST_F(PdfPageFile, WhatCannotBeShownSaysWhy) {
    const auto beyond = text::view_pdf_page(request(pdf_bytes({"One."}), 2), "");
    ASSERT_FALSE(beyond.ok());
    EXPECT_EQ(beyond.error().code, ErrorCode::kNotFound);
    EXPECT_NE(beyond.error().message.find("no such page"), std::string::npos);
    const auto noise = text::draw_pdf_page(request("%PDF-1.4 nothing", 1), 400);
    ASSERT_FALSE(noise.ok());
    EXPECT_EQ(noise.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(noise.error().message.find("pdftoppm"), std::string::npos);
}

}  // namespace
}  // namespace s3attn::text_test
