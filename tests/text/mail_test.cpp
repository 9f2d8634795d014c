#include <gtest/gtest.h>

#include "text_test_util.h"

namespace s3attn::text_test {
namespace {

const std::string kHead =
    "Return-Path: <a@example.com>\nFrom: =?utf-8?q?Ren=C3=A9e?= Holm <a@example.com>\n"
    "To: b@example.com\nDate: Mon, 3 May 2021 10:00:00 +0200\nSubject: =?utf-8?b?UXVhecOp?=\n"
    "MIME-Version: 1.0\n";
// "The quay rent was raised by Petra Holm, and the café keeps the ledger."
const std::string kBase64 =
    "VGhlIHF1YXkgcmVudCB3YXMgcmFpc2VkIGJ5IFBldHJhIEhvbG0sIGFuZCB0aGUgY2Fmw6kga2Vl\n"
    "cHMgdGhlIGxlZGdlci4=\n";

std::string part(const std::string& type, const std::string& body, const std::string& more = "") {
    return "--b\nContent-Type: " + type + "\n" + more + "\n" + body + "\n";
}
std::string multipart(const std::string& kind, const std::string& parts) {
    return kHead + "Content-Type: multipart/" + kind + "; boundary=b\n\n" + parts + "--b--\n";
}

Document mail(const std::string& bytes, const std::string& name = "a.eml") {
    Document document = read_bytes(name, bytes);
    EXPECT_TRUE(document.ok) << document.error.message;
    EXPECT_EQ(document.header.format, "mail");
    EXPECT_EQ(broken_invariant(document, {}), "");
    return document;
}

TEST(Mail, BodiesAndHeadersAreDecoded) {
    const Document document = mail(
        kHead + "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n" +
        kBase64);
    EXPECT_EQ(document.all(),
              "From: Ren\u00E9e Holm <a@example.com>\nTo: b@example.com\nDate: Mon, 3 May 2021 "
              "10:00:00 +0200\nSubject: Quay\u00E9\n\nThe quay rent was raised by Petra Holm, and "
              "the caf\u00E9 keeps the ledger.");
    EXPECT_TRUE(document.header.notes.empty());
    const Document quoted = mail(kHead +
                                 "Content-Type: text/plain; charset=windows-1252\n"
                                 "Content-Transfer-Encoding: quoted-printable\n\n"
                                 "The caf=E9 wasn=92t =\nopen.\n");
    EXPECT_NE(quoted.all().find("The caf\u00E9 wasn\u2019t open."), std::string::npos);
}

TEST(Mail, OneMailHasADateAndProperties) {
    const DocumentHeader header =
        mail(kHead + "Content-Type: text/plain\n\nThe rent was raised.\n").header;
    EXPECT_EQ(header.date, "2021-05-03T10:00:00");
    EXPECT_EQ(header.title, "Quay\u00E9");
    EXPECT_EQ(header.properties.at("from"), "Ren\u00E9e Holm <a@example.com>");
    EXPECT_EQ(header.properties.at("to"), "b@example.com");
}

TEST(Mail, HtmlIsReadAsHtmlAndAlternativesOnce) {
    const Document document = mail(
        multipart("alternative",
                  part("text/plain", "Your program shows no HTML.") +
                      part("text/html; charset=iso-8859-1",
                           "<p>The <b>rent</b> is 75 marks at the caf\xE9.</p><p>Pay it.</p>")));
    EXPECT_NE(document.all().find("The rent is 75 marks at the caf\u00E9.\n\nPay it."),
              std::string::npos)
        << document.all();
    EXPECT_EQ(document.all().find("shows no HTML"), std::string::npos);
}

TEST(Mail, AttachmentsAreReadByTheirOwnFormatOrNamed) {
    const Document document = mail(multipart(
        "mixed",
        part("text/plain", "See the list.") +
            part("text/csv; name=list.csv", "name,fee\nPetra,75",
                 "Content-Disposition: attachment; filename=list.csv\n") +
            part("application/msword", "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1 and so on",
                 "Content-Disposition: attachment; filename=deed.doc\n") +
            part("image/png", "x", "Content-Disposition: attachment; filename=logo.png\n") +
            part("message/rfc822", "From: c@example.com\nSubject: Older\n\nThe older mail.")));
    const std::string all = document.all();
    for (const char* text : {"See the list.", "Attachment: list.csv", "Petra,75", "Subject: Older",
                             "The older mail."}) {
        EXPECT_NE(all.find(text), std::string::npos) << text;
    }
    ASSERT_EQ(document.header.notes.size(), 2u);
    EXPECT_EQ(document.header.notes[0].kind, ReadNote::Kind::kUnread);
    EXPECT_EQ(document.header.notes[0].place, "attachment deed.doc");
    EXPECT_EQ(document.header.notes[1].kind, ReadNote::Kind::kLeftOut);
    EXPECT_EQ(document.header.notes[1].count, 1u);
}

TEST(Mail, IsRecognisedWithoutItsName) {
    EXPECT_EQ(mail(kHead + "\nThe body.\n", "1620039600.V1").header.format, "mail");
    EXPECT_EQ(read_bytes("a.txt", kHead + "\nThe body.\n").header.format, "text");
    EXPECT_EQ(read_bytes("minutes", "From: the board\nTo: all\n\nThe body.\n").header.format,
              "text");
}

TEST(Mail, AnMboxGivesAllItsMails) {
    std::string box;
    for (const char* body : {"First body.", ">From here on.", "Third body."}) {
        box += "From a@example.com Mon May  3 10:00:00 2021\n" + kHead + "\n" + body + "\n\n";
    }
    const std::string all = mail(box, "archive.mbox").all();
    EXPECT_NE(all.find("First body."), std::string::npos);
    EXPECT_NE(all.find("From here on."), std::string::npos);
    EXPECT_NE(all.find("Third body."), std::string::npos) << all;
}

TEST(Mail, WhatIsNoneOrTooDeepIsRefusedOrNamed) {
    EXPECT_FALSE(read_bytes("a.eml", std::string(300, '\1')).ok);
    EXPECT_FALSE(read_bytes("a.eml", "").ok);
    ReaderOptions options;
    options.max_parse_bytes = 100;
    EXPECT_NE(read_bytes("a.eml", kHead + "\nBody", options).error.message.find("100 bytes"),
              std::string::npos);
    std::string deep = "From: a@example.com\nSubject: core\n\nThe core.\n";
    for (int i = 0; i < 60; ++i) {
        deep = "From: a@example.com\nSubject: shell\nContent-Type: message/rfc822\n\n" + deep;
    }
    const Document document = mail(deep);
    bool named = document.all().find("The core.") != std::string::npos;
    for (const ReadNote& note : document.header.notes) {
        named = named || note.kind == ReadNote::Kind::kUnread;
    }
    EXPECT_TRUE(named);
}

}  // namespace
}  // namespace s3attn::text_test
