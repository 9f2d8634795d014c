#include "text/encoding.h"

#include <gtest/gtest.h>
#include <unicode/ucnv.h>

#include "text_test_util.h"

namespace s3attn::text_test {
namespace {

std::string encode(const std::string& text, const std::string& encoding) {
    UErrorCode status = U_ZERO_ERROR;
    std::string bytes(text.size() * 4 + 64, '\0');
    const int32_t n =
        ucnv_convert(encoding.c_str(), "UTF-8", bytes.data(), static_cast<int32_t>(bytes.size()),
                     text.data(), static_cast<int32_t>(text.size()), &status);
    EXPECT_TRUE(U_SUCCESS(status)) << encoding;
    bytes.resize(static_cast<size_t>(n));
    return bytes;
}

std::string decode(const std::string& bytes, const std::string& encoding) {
    UErrorCode status = U_ZERO_ERROR;
    std::string text(bytes.size() * 4 + 64, '\0');
    const int32_t n =
        ucnv_convert("UTF-8", encoding.c_str(), text.data(), static_cast<int32_t>(text.size()),
                     bytes.data(), static_cast<int32_t>(bytes.size()), &status);
    EXPECT_TRUE(U_SUCCESS(status)) << encoding;
    text.resize(static_cast<size_t>(n));
    return text;
}

struct Case {
    const char* encoding;  // what the file is written in
    const char* paragraph;
};

const Case kCases[] = {
    {"ISO-8859-1",
     "Die Stra\u00DFe f\u00FChrt \u00FCber die Br\u00FCcke. Gr\u00F6\u00DFe, Ma\u00DF."},
    {"windows-1252",
     "Le c\u0153ur a ses raisons que la raison ne conna\u00EEt pas \u2014 \u00E9t\u00E9."},
    {"ISO-8859-2",
     "Za\u017C\u00F3\u0142\u0107 g\u0119\u015Bl\u0105 ja\u017A\u0144. Ksi\u0105\u017C\u0119 "
     "poszed\u0142 do \u0142\u0105ki."},
    {"windows-1251",
     "\u0412\u0441\u0435 \u0441\u0447\u0430\u0441\u0442\u043B\u0438\u0432\u044B\u0435 "
     "\u0441\u0435\u043C\u044C\u0438 \u043F\u043E\u0445\u043E\u0436\u0438."},
    {"KOI8-R",
     "\u0412\u0441\u0435 \u0441\u0447\u0430\u0441\u0442\u043B\u0438\u0432\u044B\u0435 "
     "\u0441\u0435\u043C\u044C\u0438 \u043F\u043E\u0445\u043E\u0436\u0438."},
    {"Shift_JIS",
     "\u543E\u8F29\u306F\u732B\u3067\u3042\u308B\u3002\u540D\u524D\u306F\u307E\u3060\u7121\u3044"
     "\u3002"},
    {"EUC-JP",
     "\u543E\u8F29\u306F\u732B\u3067\u3042\u308B\u3002\u540D\u524D\u306F\u307E\u3060\u7121\u3044"
     "\u3002"},
    {"ISO-2022-JP",
     "\u543E\u8F29\u306F\u732B\u3067\u3042\u308B\u3002\u540D\u524D\u306F\u307E\u3060\u7121\u3044"
     "\u3002"},
    {"GB18030",
     "\u9053\u53EF\u9053\uFF0C\u975E\u5E38\u9053\u3002\u540D\u53EF\u540D\uFF0C\u975E\u5E38\u540D"
     "\u3002"},
    {"Big5",
     "\u9053\u53EF\u9053\uFF0C\u975E\u5E38\u9053\u3002\u7121\u540D\u5929\u5730\u4E4B\u59CB\u3002"},
    {"windows-949",
     "\uB098\uB294 \uACE0\uC591\uC774\uB85C\uC18C\uC774\uB2E4. \uC774\uB984\uC740 \uC544\uC9C1 "
     "\uC5C6\uB2E4."},
    {"ISO-8859-7",
     "\u0395\u03BD \u03B1\u03C1\u03C7\u03B7 \u03B7\u03BD \u03BF \u03BB\u03BF\u03B3\u03BF\u03C2 "
     "\u03BA\u03B1\u03B9 \u03BF \u03BB\u03BF\u03B3\u03BF\u03C2."},
    {"UTF-16LE", "Hello \U0001F600 w\u00F6rld. \u65E5\u672C and more words."},
    {"UTF-16BE", "Hello \U0001F600 w\u00F6rld. \u65E5\u672C and more words."},
};

class Encoded : public testing::TestWithParam<Case> {};

TEST_P(Encoded, IsConvertedWithExactSourceOffsets) {
    const std::string paragraph = GetParam().paragraph;
    const std::string text = repeat(paragraph + "\r\n\r\n", 40);
    const std::string bytes = encode(text, GetParam().encoding);
    for (const size_t window : {0, 1, 7, 333}) {
        const Document document = read_bytes("a.txt", bytes, {}, window);
        ASSERT_TRUE(document.ok) << document.error.message;
        ASSERT_FALSE(document.header.notes.empty());
        EXPECT_EQ(document.header.notes[0].message, "converted from " + document.header.encoding);
        EXPECT_EQ(broken_invariant(document, {}), "");
        EXPECT_EQ(document.all() + "\r\n\r\n", text) << document.header.encoding;
        uint32_t line = 1;
        for (const Unit& unit : document.units) {
            const std::string slice =
                bytes.substr(unit.byte_begin, unit.byte_end - unit.byte_begin);
            // A slice of a stateful encoding begins without its shift sequence.
            if (document.header.encoding != "ISO-2022-JP") {
                EXPECT_EQ(decode(slice, GetParam().encoding), unit.text);
            }
            EXPECT_EQ(unit.line_begin, line);
            line = unit.line_end + 2;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(All, Encoded, testing::ValuesIn(kCases), [](const auto& case_info) {
    std::string name = case_info.param.encoding;
    for (char& c : name) {
        if (c == '-') c = '_';
    }
    return name;
});

TEST(Encoding, Utf16WithByteOrderMark) {
    for (const char* encoding : {"UTF-16LE", "UTF-16BE", "UTF-32LE", "UTF-32BE"}) {
        const std::string bytes = encode("\uFEFF\u65E5\u672C \U0001F600 text", encoding);
        const Document document = read_bytes("a.txt", bytes);
        ASSERT_TRUE(document.ok) << document.error.message;
        EXPECT_EQ(document.header.encoding, encoding);
        ASSERT_EQ(document.units.size(), 1u);
        EXPECT_EQ(document.units[0].text, "\u65E5\u672C \U0001F600 text");
        EXPECT_EQ(document.units[0].byte_begin, encoding[4] == '3' ? 4u : 2u);
        EXPECT_EQ(document.units[0].byte_end, bytes.size());
    }
}

TEST(Encoding, MostlyAsciiLatin1IsConverted) {
    const std::string bytes =
        repeat("The cafe on the corner served coffee to everyone. ", 80) + "The caf\xE9 was shut.";
    const Document document = read_bytes("a.txt", bytes);
    ASSERT_TRUE(document.ok) << document.error.message;
    EXPECT_EQ(document.header.encoding, "windows-1252");
    EXPECT_NE(document.all().find("caf\u00E9 was"), std::string::npos);
}

TEST(Encoding, DamagedUtf8KeepsOffsets) {
    std::string bytes = repeat("Na\u00EFve caf\u00E9 \u2014 \u201Cquotes\u201D and words. ", 60);
    bytes.insert(64, "\xFF\xC3\x28\xF0\x9F\x98 ");
    bytes += "\xE2\x82";  // cut in a character
    for (const size_t window : {0, 1, 3, 100}) {
        const Document document = read_bytes("a.txt", bytes, {}, window);
        ASSERT_TRUE(document.ok) << document.error.message;
        EXPECT_EQ(document.header.encoding, "UTF-8");
        ASSERT_EQ(document.header.notes.size(), 1u);
        EXPECT_NE(document.header.notes[0].message.find("7 bytes"), std::string::npos)
            << document.header.notes[0].message;
        EXPECT_NE(document.header.notes[0].message.find("offset 64"), std::string::npos)
            << document.header.notes[0].message;
        for (const Unit& unit : document.units) {
            ASSERT_EQ(unit.text.size(), unit.byte_end - unit.byte_begin);
            for (size_t i = 0; i < unit.text.size(); ++i) {
                if (unit.text[i] != '?') {
                    ASSERT_EQ(unit.text[i], bytes[unit.byte_begin + i]);
                }
            }
        }
        EXPECT_TRUE(document.all().ends_with("words. ??"));
    }
}

TEST(Encoding, BinaryIsRefusedWithWhatItIs) {
    const std::pair<std::string, std::string> cases[] = {
        {std::string("\x89PNG\r\n\x1A\n\0\0\0", 11), "a PNG image"},
        {std::string("\x7F"
                     "ELF\0\0\0\0",
                     8),
         "an ELF program"},
        {"\x1F\x8B\x08", "a gzip archive"},
        {"{\\rtf1\\ansi hello}", "an RTF document"},
        {std::string("some text") + std::string(100, '\0') + std::string(100, '\1'),
         "NUL bytes, the first at offset 9"},
        {repeat("\x01\x02\x03\x04 ab", 50), "control characters"},
        {zip_bytes({{"a.txt", "hello"}}), "a ZIP archive"},
        {zip_bytes({{"xl/workbook.xml", "<x/>"}}), "an Excel workbook"},
        {"PK\x03\x04 garbage", "a damaged ZIP archive"},
    };
    for (const auto& [bytes, what] : cases) {
        const Document document = read_bytes("file.txt", bytes);
        EXPECT_FALSE(document.ok) << what;
        EXPECT_EQ(document.error.code, ErrorCode::kUnsupported) << what;
        EXPECT_NE(document.error.message.find(what), std::string::npos) << document.error.message;
        EXPECT_NE(document.error.message.find("file.txt"), std::string::npos);
    }
}

TEST(Encoding, HopelessBytesAreRefused) {
    std::string bytes;
    for (int i = 0; i < 3000; ++i) bytes += static_cast<char>(128 + (i * 37 + i / 7) % 128);
    const Document document = read_bytes("a.txt", bytes);
    if (!document.ok) {
        EXPECT_EQ(document.error.code, ErrorCode::kUnsupported);
    } else {
        EXPECT_EQ(broken_invariant(document, {}), "");
    }
}

}  // namespace
}  // namespace s3attn::text_test
