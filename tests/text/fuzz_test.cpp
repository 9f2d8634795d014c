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
        ASSERT_TRUE(file.ok() && text::write_fully((*file)->fd(), damaged, "a.pdf").ok());
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
