#include "text/no_language.h"

#include <gtest/gtest.h>

#include <random>

#include "text_test_util.h"

namespace s3attn::text_test {
namespace {

std::string letters_of(const std::string& alphabet, size_t n, unsigned seed = 7) {
    std::mt19937 random(seed);
    std::string letters;
    for (size_t i = 0; i < n; ++i) letters += alphabet[random() % alphabet.size()];
    return letters;
}
std::string base64(size_t n, unsigned seed = 7) {
    return letters_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", n, seed);
}
std::string in_lines(const std::string& text, size_t width, const std::string& end = "\n") {
    std::string lines;
    for (size_t i = 0; i < text.size(); i += width) lines += text.substr(i, width) + end;
    return lines;
}

std::string scanned(const Document& document) {
    std::string all;
    for (const Unit& unit : document.units) all += unit.text + "\n";
    return all;
}

const std::string kBefore = "# Report\n\nThe survey was led by Petra Holm in 2012.\n\n";
const std::string kAfter = "\n\nThe reservoir holds 5.2 million cubic metres.\n";

// Read with windows of several sizes: the text is whole, offsets hold, the noise is not in a unit.
void expect_left_out(const std::string& name, const std::string& noise) {
    const std::string bytes = kBefore + noise + kAfter;
    for (const size_t window : {64, 1000, 65536}) {
        const Document document = read_bytes(name, bytes, {}, window);
        ASSERT_TRUE(document.ok) << document.error.message;
        std::string all = document.all();
        EXPECT_TRUE(bytes.starts_with(all)) << name;
        EXPECT_TRUE(all.ends_with("cubic metres."));
        for (const Unit& unit : document.units) {
            EXPECT_EQ(bytes.substr(unit.byte_begin, unit.byte_end - unit.byte_begin), unit.text);
        }
        const std::string units = scanned(document);
        EXPECT_NE(units.find("Petra Holm in 2012."), std::string::npos);
        EXPECT_NE(units.find("The reservoir holds"), std::string::npos);
        EXPECT_LT(units.size(), kBefore.size() + kAfter.size() + 80) << units;
        ASSERT_EQ(document.header.notes.size(), 1u) << name;
        const ReadNote& note = document.header.notes[0];
        EXPECT_EQ(note.kind, ReadNote::Kind::kLeftOut);
        EXPECT_EQ(note.count, 1u);
        EXPECT_EQ(note.place, "from line 5");
    }
}

TEST(NoLanguage, IsKeptInTheTextAndLeftOutOfTheUnits) {
    for (const char* name : {"a.md", "a.txt", "a.log"}) {
        expect_left_out(name, "![figure](data:image/png;base64," + base64(26000) + "==)");
        expect_left_out(name, base64(20000));
        expect_left_out(name, in_lines(base64(20000), 76));
        expect_left_out(name, in_lines(base64(20000), 64, "\r\n"));
        expect_left_out(name, in_lines(letters_of("0123456789abcdef", 9000), 80));
        expect_left_out(name, letters_of("0123456789ABCDEF", 9000));
    }
    std::string dump;
    for (int i = 0; i < 200; ++i) {
        dump += "0000" + std::to_string(1000 + i) + ": ";
        for (int k = 0; k < 8; ++k) dump += letters_of("0123456789abcdef", 4, i * 8 + k) + " ";
        dump += " ..Z.x..q...k...\n";
    }
    expect_left_out("a.txt", dump);
    std::string array, colons, encoded;
    for (int i = 0; i < 200; ++i) {
        array += "  ";
        colons += "    ";
        for (int k = 0; k < 12; ++k) {
            const std::string byte = letters_of("0123456789abcdef", 2, i * 12 + k);
            array += "0x" + byte + ", ";
            colons += byte + ":";
        }
        array += "\n";
        colons += "\n";
        encoded +=
            "M" +
            letters_of("!#$%&()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`", 60, i) +
            "\n";
    }
    expect_left_out("a.txt", array);
    expect_left_out("a.log", colons);
    expect_left_out("a.txt", encoded + "`\nend");
    std::string script;
    for (int i = 0; i < 300; ++i) {
        script += "function(e,t){return t&&e.x" + std::to_string(i) + "===void 0||n(e,t)}),";
    }
    expect_left_out("a.txt", script);
    std::string picture = "background: url(data:image/svg+xml,";
    for (int i = 0; i < 900; ++i) picture += "%3Cpath%20d=%27M" + std::to_string(i) + "%27/%3E";
    expect_left_out("a.txt", picture + ")");
}

TEST(NoLanguage, WhatPeopleWriteAndAskForIsScanned) {
    const std::string uuid = "3f2b8c1e-9d47-4a6b-8e21-7c5d90ab12ef";
    std::string pairs = "{";
    for (int i = 0; i < 200; ++i) {
        std::string other = uuid;
        other[0] = static_cast<char>('a' + i % 6);
        pairs += "\"" + uuid + "\": \"" + other + "\", ";
    }
    std::string checksums, hashes;
    for (unsigned i = 0; i < 40; ++i) {
        const std::string digest = letters_of("0123456789abcdef", 64, i);
        checksums += digest + "  file" + std::to_string(i) + ".txt\n";
        hashes += digest + "\n";
    }
    std::string link = "See https://example.com/a/very/long/path";
    for (int i = 0; i < 60; ++i) link += "/Section-" + std::to_string(i) + "?q=Word" + "&x=7";
    const std::string cases[] = {
        pairs,
        checksums,
        hashes,
        link,
        repeat("\u6C34\u8ECA\u5C0F\u5C4B\u306F\u5EFA\u3066\u3089\u308C\u305F", 500),
        repeat("Donaudampfschifffahrtsgesellschaft", 60),
        repeat("GATTACAGATTACACCGT", 200),
        repeat("/usr/local/lib/python3/Site-Packages/Module42/File7", 30),
        repeat("some_snake_case_identifier_with_many_words_", 40),
        repeat("----------------------------------------", 20),
        repeat("AbstractSingletonProxyFactoryBeanHandler", 20),
        repeat("12 34 56 78 90 12 34 56 78\n", 60),
        repeat("if (a == b && c(d)) {\n    return f(x, y);  // the sum\n}\n", 60),
        repeat("{\"id\":1,\"name\":\"Ann\",\"rent\":75},", 200),
        "The key is " + base64(120) + " and must be kept.",
        // Checksums and addresses, one a line; a table of registers; shouting.
        repeat("9F:3C:AF:00:1B:2D:4E:9A:77:C0:D1:E2:F3:04:15:26:37:48:59:6A\n", 40),
        repeat("2001:0db8:85a3:0000:0000:8a2e:0370:7334\n", 40),
        repeat("00:1a:2b:3c:4d:5e gate" + std::string(1, '\n'), 40),
        repeat("0x1F, the status register\n", 40),
        repeat("MY LORDS, THE MILL OF THE VALLEY WAS BUILT IN THE OLD DAYS, YES\n", 40),
    };
    for (const std::string& text : cases) {
        const Document document = read_bytes("a.txt", text);
        ASSERT_TRUE(document.ok);
        EXPECT_TRUE(document.header.notes.empty()) << text.substr(0, 60);
        EXPECT_EQ(broken_invariant(document, {}, text), "") << text.substr(0, 60);
    }
}

TEST(NoLanguage, MemoryIsBoundedHoweverLongTheRun) {
    const Document document =
        read_bytes("a.txt", "Before it.\n\n" + base64(5 << 20) + "\n\nAfter.");
    ASSERT_TRUE(document.ok);
    EXPECT_LT(document.units.size(), 10u);
    for (const Unit& unit : document.units) EXPECT_LT(unit.gap.size(), 2u << 20);
}

}  // namespace
}  // namespace s3attn::text_test
