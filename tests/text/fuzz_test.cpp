// Damaged files of every format: an error or a document, never a crash or a hang.
#include <gtest/gtest.h>

#include <random>

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
