// What documents say about themselves: titles, dates, properties.
#include <gtest/gtest.h>

#include "text_test_util.h"

namespace s3attn {
namespace {

using namespace text_test;

TEST(Descriptions, OfEveryFormatThatHasThem) {
    struct Case {
        std::string name, bytes, title, date, author;
    };
    const std::string pdf =
        "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        "2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
        "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<<"
        "/F1<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>endobj\n"
        "4 0 obj<</Length 42>>stream\nBT /F1 12 Tf 72 720 Td (The dues rose.) Tj ET\nendstream "
        "endobj\n5 0 obj<</Title(Harbour & dues)/Author(Ada Solberg)"
        "/CreationDate(D:20210503120000)>>endobj\ntrailer<</Root 1 0 R/Info 5 0 R>>\n";
    const std::vector<Case> cases = {
        {"a.md", "---\ntitle: Harbour & dues\ndate: 2021-05-03\nauthor: Ada Solberg\n---\nText.\n",
         "Harbour & dues", "2021-05-03", "Ada Solberg"},
        {"a.html",
         "<html><head><title>Harbour &amp; dues</title><meta name=Author content='Ada Solberg'>"
         "<meta property='article:published_time' content='2021-05-03T12:00:00Z'>"
         "<meta name=viewport content='width=device-width'></head><body>Text.</body></html>",
         "Harbour & dues", "2021-05-03T12:00:00", "Ada Solberg"},
        {"a.eml",
         "From: Ada Solberg <ada@example.org>\nTo: Bo\nDate: Mon, 3 May 2021 12:00:00 +0200\n"
         "Subject: Harbour & dues\n\nText.\n",
         "Harbour & dues", "2021-05-03T12:00:00", "Ada Solberg"},
        {"a.org",
         "#+TITLE: Harbour & dues\n#+AUTHOR: Ada Solberg\n#+DATE: <2021-05-03 Mon>\n\nText.\n",
         "Harbour & dues", "2021-05-03", "Ada Solberg"},
        {"a.rst", ":Title: Harbour & dues\n:Author: Ada Solberg\n:Date: 2021-05-03\n\nText.\n",
         "Harbour & dues", "2021-05-03", "Ada Solberg"},
        {"a.pdf", pdf, "Harbour & dues", "2021-05-03T12:00:00", "Ada Solberg"},
    };
    for (const Case& each : cases) {
        SCOPED_TRACE(each.name);
        const Document document = read_bytes(each.name, each.bytes);
        ASSERT_TRUE(document.ok) << document.error.message;
        EXPECT_EQ(document.header.title, each.title);
        EXPECT_EQ(document.header.date, each.date);
        ASSERT_TRUE(document.header.properties.contains("author"));
        EXPECT_EQ(document.header.properties.at("author"), each.author);
        EXPECT_FALSE(document.header.properties.contains("viewport"));
        EXPECT_GE(document.header.file_date, "2024");
        EXPECT_EQ(document.header.file_date.size(), std::string("2021-05-03T12:00:00").size());
    }
}

}  // namespace
}  // namespace s3attn
