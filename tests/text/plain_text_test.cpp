#include "text/plain_text.h"

#include <gtest/gtest.h>

#include "base/files.h"
#include "text_test_util.h"

namespace s3attn::text_test {
namespace {

std::vector<std::string> texts(const Document& document) {
    std::vector<std::string> all;
    for (const Unit& unit : document.units) all.push_back(unit.text);
    return all;
}
using Strings = std::vector<std::string>;

Document checked(const std::string& name, const std::string& bytes,
                 const ReaderOptions& options = {}) {
    Document document = read_bytes(name, bytes, options);
    EXPECT_TRUE(document.ok) << document.error.message;
    EXPECT_EQ(broken_invariant(document, options, bytes), "");
    return document;
}

const std::string kLong = repeat("This sentence is about the sea and a ship. ", 6) + "The end.";
const std::string kOther = repeat("Another one tells of hills and of rain there. ", 6) + "Over.";

TEST(PlainText, EmptyAndBlankFilesHaveNoUnits) {
    for (const std::string bytes : {"", " \n\n\t \r\n", "\xEF\xBB\xBF", "\xC2\xA0\n\xE3\x80\x80"}) {
        const Document document = read_bytes("a.txt", bytes);
        EXPECT_TRUE(document.ok) << document.error.message;
        EXPECT_TRUE(document.units.empty());
        EXPECT_EQ(document.header.source_bytes, bytes.size());
    }
}

TEST(PlainText, HeaderTellsWhatTheFileIs) {
    const Document document = checked("a.txt", kLong);
    EXPECT_EQ(document.header.format, "text");
    EXPECT_EQ(document.header.encoding, "UTF-8");
    EXPECT_EQ(document.header.offsets, OffsetSpace::kSource);
    EXPECT_EQ(document.header.source_hash, hash_bytes(kLong));
    EXPECT_TRUE(document.header.notes.empty());
}

TEST(PlainText, ParagraphsLongEnoughStandAlone) {
    EXPECT_EQ(texts(checked("a.txt", kLong + "\n\n" + kOther + "\n")), (Strings{kLong, kOther}));
}

TEST(PlainText, LinesAreCountedForEveryLineEnd) {
    for (const std::string end : {"\n", "\r\n", "\r"}) {
        const Document document = checked(
            "a.txt", end + kLong + end + end + end + kOther + end + "its" + end + "tail" + end);
        ASSERT_EQ(document.units.size(), 3u);
        EXPECT_EQ(document.units[0].line_begin, 2u);
        EXPECT_EQ(document.units[0].line_end, 2u);
        EXPECT_EQ(document.units[1].line_begin, 5u);
        EXPECT_EQ(document.units[2].line_begin, 6u);
        EXPECT_EQ(document.units[2].line_end, 7u);
    }
}

TEST(PlainText, HeadingGoesWithWhatFollows) {
    const std::string heading = "CHAPTER II. The Storm";
    const Document document =
        checked("a.txt", "A short one.\n\n" + heading + "\n\n" + kLong + "\n\n" + kOther);
    EXPECT_EQ(texts(document), (Strings{"A short one.", heading + "\n\n" + kLong, kOther}));
}

TEST(PlainText, TableOfContentsDoesNotKeepTheNextHeading) {
    std::string contents;
    for (int i = 1; i < 12; ++i) contents += "Chapter " + std::to_string(i) + " of it all\n\n";
    const Document document = checked("a.txt", contents + "Chapter 1 of it all\n\n" + kLong);
    ASSERT_EQ(document.units.size(), 2u);
    EXPECT_EQ(document.units[1].text, "Chapter 1 of it all\n\n" + kLong);
}

TEST(PlainText, ShortParagraphsJoinUpToTheTarget) {
    ReaderOptions options;
    std::string talk;
    for (int i = 0; i < 60; ++i) talk += "\"Well,\" said he, \"it rains again.\"\n\n";
    const Document document = checked("a.txt", talk, options);
    ASSERT_GT(document.units.size(), 3u);
    for (size_t i = 0; i + 1 < document.units.size(); ++i) {
        EXPECT_GE(document.units[i].text.size(), options.min_unit_bytes);
        EXPECT_LE(document.units[i].text.size(), options.target_unit_bytes);
    }
}

TEST(PlainText, LongParagraphIsCutIntoWholeSentences) {
    const std::string sentence = "This is the sentence that repeats itself, and Dr. Who is in it.";
    const Document document = checked("a.txt", repeat(sentence + " ", 100));
    ASSERT_GT(document.units.size(), 8u);
    for (const Unit& unit : document.units) {
        EXPECT_TRUE(unit.text.starts_with("This is")) << unit.text;
        EXPECT_TRUE(unit.text.ends_with("in it.")) << unit.text;
        EXPECT_LT(unit.text.size(), 800u);
    }
}

TEST(PlainText, HeadingInFrontOfTheLargestParagraphIsNotLeftAlone) {
    const std::string paragraph = repeat("Rain fell on the roof of the house. ", 66) + "End.";
    ASSERT_LE(paragraph.size(), 2400u);
    ASSERT_GT(paragraph.size() + 60, 2400u);
    const std::string heading = "CHAPTER III. WHICH HAS A RATHER LONG TITLE FOR A CHAPTER";
    const Document document = checked("a.txt", heading + "\n\n" + paragraph);
    EXPECT_GT(document.units.at(0).text.size(), heading.size() + 20);
}

TEST(PlainText, MonsterSentenceIsCutAtWhitespaceElseAtCharacters) {
    const ReaderOptions options;
    const Document words = checked("a.txt", repeat("word word2 ", 2000));
    for (const Unit& unit : words.units)
        EXPECT_TRUE(unit.text.ends_with("word") || unit.text.ends_with("word2"));
    const Document one = checked("a.txt", repeat("\U0001F600", 3000));
    ASSERT_GE(one.units.size(), 5u);
    for (const Unit& unit : one.units) EXPECT_EQ(unit.text.size() % 4, 0u);
    const Document mixed = checked("a.txt", "a" + repeat(" ", 9000) + repeat("b", 9000));
    EXPECT_EQ(mixed.units.at(0).text, "a");
}

TEST(PlainText, OneParagraphPerLineWithoutBlankLines) {
    EXPECT_EQ(texts(checked("a.txt", kLong + "\n" + kOther + "\n" + kLong + "\n")),
              (Strings{kLong, kOther, kLong}));
}

TEST(PlainText, LogLinesArePackedWhole) {
    std::string log;
    for (int i = 0; i < 400; ++i) {
        log += "2024-01-01 12:00:" + std::to_string(i) + " INFO request served in 12 ms\n";
    }
    for (const char* name : {"a.log", "server"}) {
        const Document document = checked(name, log);
        EXPECT_GT(document.units.size(), 20u);
        for (const Unit& unit : document.units) {
            EXPECT_TRUE(unit.text.starts_with("2024-"));
            EXPECT_TRUE(unit.text.ends_with("ms"));
            EXPECT_LE(unit.text.size(), 512u);
        }
    }
}

TEST(PlainText, WrappedProseWithoutBlankLinesIsCutAtSentences) {
    std::string prose;
    for (int i = 0; i < 100; ++i) {
        prose +=
            "It was the best of times, it was the worst of times, it was the\n"
            "age of wisdom, it was the age of foolishness, it was the epoch of\n"
            "belief indeed.\n";
    }
    const Document document = checked("a.txt", prose);
    EXPECT_GT(document.units.size(), 10u);
    for (const Unit& unit : document.units) EXPECT_TRUE(unit.text.ends_with("belief indeed."));
}

TEST(PlainText, JsonLinesAreParagraphs) {
    const std::string line = "{\"text\": \"" + kLong + "\"}";
    EXPECT_EQ(texts(checked("a.jsonl", line + "\n" + line + "\n")), (Strings{line, line}));
}

TEST(PlainText, CodeKeepsAllItsText) {
    std::string code;
    for (int i = 0; i < 100; ++i) {
        code += "void f" + std::to_string(i) + "() {\n    if (x) {\n        return;\n    }\n}\n";
        if (i % 7 == 0) code += "\n";
    }
    EXPECT_GT(checked("a.cpp", code).units.size(), 8u);
}

TEST(PlainText, ByteOrderMarkIsCountedButNotText) {
    const Document document = checked("a.txt", "\xEF\xBB\xBFHello there");
    ASSERT_EQ(document.units.size(), 1u);
    EXPECT_EQ(document.units[0].byte_begin, 3u);
    EXPECT_EQ(document.units[0].text, "Hello there");
}

TEST(PlainText, AFewNulBytesAreText) {
    const std::string bytes = kLong + std::string("\0", 1) + " more\n\n" + kOther;
    EXPECT_EQ(checked("a.txt", bytes).units.size(), 2u);
}

TEST(PlainText, SpecialTokenTextIsText) {
    const std::string bytes = "He wrote <|im_end|> and </s> on the wall.";
    EXPECT_EQ(texts(checked("a.txt", bytes)), Strings{bytes});
}

TEST(PlainText, HugeSingleLine) {
    const std::string bytes = repeat("Some words go by without end ", 100000);
    const Document document = checked("a.txt", bytes);
    EXPECT_GT(document.units.size(), 1000u);
    EXPECT_EQ(document.units.back().line_end, 1u);
}

TEST(PlainText, TinyLimitsAreMadeConsistent) {
    ReaderOptions options;
    options.min_unit_bytes = 900;
    options.target_unit_bytes = 800;
    options.max_unit_bytes = 20;
    checked("a.txt", kLong + "\n\n" + kOther, options);
}

TEST(PlainText, MoreThanSixtyFourMegabytesOfSpaceIsRefused) {
    const Document document = read_bytes("a.txt", std::string((64u << 20) + 9999, ' ') + "x");
    EXPECT_FALSE(document.ok);
    EXPECT_EQ(document.error.code, ErrorCode::kUnsupported);
}

TEST(PlainText, RealBooksSliceExactly) {
    const std::string folder = shared_data() + "/books";
    const std::vector<InputFile> files = expand_inputs({folder}, true).files;
    if (files.empty() || !files[0].problem.empty()) GTEST_SKIP() << "no books in " << folder;
    const TempDirectory directory;
    for (const InputFile& file : files) {
        const std::string bytes = file_bytes(file.path);
        for (const std::string& path : {file.path, directory.write("book.txt", bytes)}) {
            const Document document = read_document(path);
            ASSERT_TRUE(document.ok) << document.error.message;
            EXPECT_EQ(broken_invariant(document, {}, bytes), "") << path;
            EXPECT_GT(document.units.size(), bytes.size() / 1500) << path;
            // The same units whatever the window.
            EXPECT_EQ(texts(read_document(path, {}, 777)), texts(document)) << path;
        }
    }
}

}  // namespace
}  // namespace s3attn::text_test
