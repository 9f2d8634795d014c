// Units of running text: about 128 tokens, and they end where sentences, items or speeches do.
#include <gtest/gtest.h>

#include <algorithm>

#include "text_test_util.h"

namespace s3attn {
namespace {

using namespace text_test;

// Sentences of 40 to 130 bytes that have abbreviations and figures in them, numbered.
std::string sentence(int i) {
    static const char* const kMiddle[] = {
        "the harbour of Mr. Holm froze on 3.5 nights of that winter",
        "no ship came in, and the price of rye rose to $4.20 a sack in St. Olaf's lane",
        "he asked for whale oil, rope, e.g. hemp, and a lamp"};
    return "In year " + std::to_string(1800 + i) + " " + kMiddle[i % 3] +
           (i % 5 == 0 ? ", as the keeper wrote in his book." : ".");
}

std::string prose(int sentences, const char* between = " ") {
    std::string text;
    for (int i = 0; i < sentences; ++i) text += (i > 0 ? between : "") + sentence(i);
    return text;
}

// Lines of at most 72 bytes.
std::string wrapped(const std::string& text) {
    std::string lines;
    size_t column = 0;
    for (size_t at = 0; at < text.size();) {
        const size_t end = std::min(text.find(' ', at), text.size());
        if (column > 0 && column + 1 + end - at > 72) {
            lines += '\n';
            column = 0;
        } else if (column > 0) {
            lines += ' ';
            ++column;
        }
        lines += text.substr(at, end - at);
        column += end - at;
        at = end + 1;
    }
    return lines;
}

void expect_sized(const Document& document, size_t least, size_t most) {
    ASSERT_TRUE(document.ok);
    ASSERT_GT(document.units.size(), 3u);
    size_t sum = 0;
    for (size_t i = 0; i < document.units.size(); ++i) {
        const Unit& unit = document.units[i];
        sum += unit.text.size();
        EXPECT_LE(unit.text.size(), most) << unit.text;
        if (i + 1 < document.units.size()) EXPECT_GE(unit.text.size(), least) << unit.text;
    }
    const size_t mean = sum / document.units.size();
    EXPECT_GE(mean, 350u);
    EXPECT_LE(mean, 700u);
}

void expect_sentence_ends(const Document& document) {
    for (const Unit& unit : document.units) {
        EXPECT_TRUE(unit.text.ends_with('.')) << unit.text;
        EXPECT_TRUE(unit.text.starts_with("In year ")) << unit.text;
        EXPECT_FALSE(unit.text.ends_with("Mr.") || unit.text.ends_with("St.") ||
                     unit.text.ends_with("e.g."))
            << unit.text;
    }
}

TEST(Units, LongParagraphsEndAtSentences) {
    for (const char* name : {"a.txt", "a.md", "a.html"}) {
        const Document document = read_bytes(name, prose(120) + "\n");
        expect_sized(document, 200, 900);
        expect_sentence_ends(document);
    }
}

TEST(Units, WrappedProseEndsAtSentencesNotAtLines) {
    for (const char* name : {"a.txt", "a.md"}) {
        const Document document = read_bytes(name, wrapped(prose(120)) + "\n");
        expect_sized(document, 200, 900);
        expect_sentence_ends(document);
    }
}

TEST(Units, ListsEndAtItems) {
    std::string plain, marked;
    for (int i = 0; i < 150; ++i) {
        const std::string item = "item " + std::to_string(i) + " of the harbour's stores, in sacks";
        plain += "- " + item + "\n";
        marked += "<li>" + item + "</li>";
    }
    for (const auto& [name, text] : {std::pair<const char*, std::string>{"a.txt", plain},
                                     {"a.md", plain},
                                     {"a.html", "<ul>" + marked + "</ul>"}}) {
        const Document document = read_bytes(name, text);
        expect_sized(document, 200, 900);
        for (const Unit& unit : document.units) {
            EXPECT_TRUE(unit.text.ends_with(", in sacks")) << name << unit.text;
            EXPECT_NE(unit.text.substr(0, 8).find("item "), std::string::npos) << name << unit.text;
        }
    }
}

// Each speech a paragraph, or a line of its own.
TEST(Units, DialoguesEndWithASpeech) {
    for (const char* between : {"\n", "\n\n"}) {
        std::string text;
        for (int i = 0; i < 120; ++i) {
            text +=
                (i % 2 == 0 ? "ADA: Have you seen the lamp number " : "BO: I have not, nor lamp ") +
                std::to_string(i) + (i % 3 == 0 ? "? Or the oil?" : "!") + between;
        }
        const Document document = read_bytes("a.txt", text);
        expect_sized(document, 200, 900);
        for (const Unit& unit : document.units) {
            EXPECT_TRUE(unit.text.starts_with("ADA: ") || unit.text.starts_with("BO: "))
                << unit.text;
            EXPECT_TRUE(unit.text.ends_with('?') || unit.text.ends_with('!')) << unit.text;
        }
    }
}

}  // namespace
}  // namespace s3attn
