#include "text/encoding.h"

#include <gtest/gtest.h>
#include <unicode/ucnv.h>

#include <algorithm>

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

// A paragraph of its language in an encoding, long enough for statistics.
struct Sample {
    const char* encoding;
    const char* text;
};

void expect_read(const Sample& sample, size_t times) {
    std::string text = repeat(sample.text, times);
    const Document document = read_bytes("a.txt", encode(text, sample.encoding));
    text.erase(text.find_last_not_of(" \n") + 1);
    EXPECT_EQ(document.all(), text) << sample.encoding << " taken for " << document.header.encoding
                                    << " " << document.error.message;
}

TEST(Encoding, EnglishWithFewSpecialCharactersIsWindows1252) {
    const Sample samples[] = {
        {"windows-1252",
         "It wasn\u2019t raining when the guests came, and they didn\u2019t stay. "},
        {"windows-1252", "The Lumitex\u00AE lamp was sold in the harbour town from 1987 on. "},
        {"windows-1252", "The filter holds grains of 5 \u00B5m, and it is cleaned each week. "},
        {"windows-1252", "The fa\u00E7ade of the hall was painted and the guild paid for it. "},
        {"windows-1252", "The pi\u00F1ata was broken by the children in the yard of the school. "},
        {"windows-1252",
         "The oven is set to 180\u00B0C for the bread and to 160\u00B0C for cake. "},
        {"windows-1252", "Add 1\u00BD cups of flour to the bowl and stir it with a spoon. "},
        {"windows-1252", "The toll was \u00A34 and the fine \u00A320 for those that were late. "},
        {"windows-1252",
         "The years 1804\u20131839 were hard \u2013 so says the log \u2014 there. "},
        {"windows-1252",
         "The lamp\u2122 was \u2018sold\u2019 in the town and \u201Crepaired\u201D\u2026 "},
        {"windows-1252", "De veerman heet Dani\u00EBl en hij vaart ge\u00EFnteresseerd langs. "}};
    for (const Sample& sample : samples) {
        for (const size_t times : {1, 4, 20}) expect_read(sample, times);
    }
}

TEST(Encoding, OtherAlphabetsStayWhatTheyAre) {
    const Sample samples[] = {
        {"windows-1250",
         "Ml\u00FDn byl postaven v roce 1804 mistrem Dvo\u0159\u00E1kem. "
         "\u017Dlu\u0165ou\u010Dk\u00FD k\u016F\u0148 \u00FAp\u011Bl, \u0161el d\u00E1l. "},
        {"windows-1250",
         "Za\u017C\u00F3\u0142\u0107 g\u0119\u015Bl\u0105 ja\u017A\u0144. M\u0142yn "
         "zosta\u0142 zbudowany przez mistrza. "},
        {"windows-1250",
         "Moara a fost construit\u0103 \u00EEn anul 1804. Mai t\u00E2rziu, c\u00E2nd "
         "satul a crescut, s-a ridicat un pod \u015Fi \u0163ara. "},
        {"windows-1257",
         "Mal\u016Bnas pastatytas 1804 metais. V\u0117liau, kai kaimas i\u0161augo, "
         "per up\u0119 nutiestas tiltas. \u017Dmon\u0117s gyvena \u010Dia. "},
        {"IBM437",
         "The caf\u00E9 in Z\u00FCrich was founded in 1887 by Se\u00F1or Mu\u00F1oz, and "
         "the na\u00EFve fa\u00E7ade is still there. "},
        {"IBM850",
         "Die M\u00FChle wurde im Jahr 1804 gebaut. Gr\u00F6\u00DFere \u00C4nderungen gab es "
         "sp\u00E4ter; die Stra\u00DFe f\u00FChrt \u00FCber die Br\u00FCcke. "},
        {"macintosh",
         "Le ch\u00E2teau fut b\u00E2ti en 1604 par l\u2019architecte Garnier. La for\u00EAt "
         "\u00E9tait tr\u00E8s \u00E9paisse. "},
        {"IBM866",
         "\u041C\u0435\u043B\u044C\u043D\u0438\u0446\u0430 \u0431\u044B\u043B\u0430 "
         "\u043F\u043E\u0441\u0442\u0440\u043E\u0435\u043D\u0430 \u0432 1804 "
         "\u0433\u043E\u0434\u0443. "}};
    for (const Sample& sample : samples) expect_read(sample, 6);
}

TEST(Encoding, WideTextWithoutAByteOrderMark) {
    const std::string chinese = repeat(
        "\u78E8\u574A\u5EFA\u4E8E1804\u5E74\uFF0C\u7531\u5DE5\u5320\u738B\u5E08\u5085"
        "\u5EFA\u9020\u3002\u6865\u662F\u540E\u6765\u4FEE\u7684\u3002\n\n",
        4);
    for (const char* encoding : {"UTF-16LE", "UTF-16BE"}) {
        const Document document = read_bytes("a.txt", encode(chinese, encoding));
        EXPECT_EQ(document.header.encoding, encoding) << document.error.message;
        EXPECT_EQ(document.all() + "\n\n", chinese);
    }
}

TEST(Encoding, HolesOfNulAreWhiteSpace) {
    const std::string before = repeat("2024-05-01 10:00:00 server started on port 8443\n", 30);
    const std::string after = repeat("2024-05-01 10:07:12 power restored, 17 entries\n", 30);
    for (const std::string& bytes :
         {before + std::string(4096, '\0') + after, std::string(300000, '\0') + after,
          before + std::string(100000, '\0')}) {
        const Document document = read_bytes("a.log", bytes);
        ASSERT_TRUE(document.ok) << document.error.message;
        EXPECT_EQ(broken_invariant(document, {}, bytes), "");
        ASSERT_EQ(document.header.notes.size(), 1u);
        EXPECT_EQ(document.header.notes[0].count,
                  static_cast<uint64_t>(std::count(bytes.begin(), bytes.end(), '\0')));
        for (const Unit& unit : document.units) EXPECT_EQ(unit.text.find('\0'), std::string::npos);
    }
    std::string program;  // holes, and what is no text between them
    for (int i = 0; i < 4000; ++i) program += static_cast<char>(i % 31 == 0 ? 3 : 'a' + i % 20);
    program.insert(1000, std::string(2000, '\0'));
    EXPECT_FALSE(read_bytes("a.dat", program).ok);
    EXPECT_FALSE(read_bytes("a.dat", std::string(500, '\0') + "x").ok);
}

TEST(Encoding, BinaryIsRefusedWithWhatItIs) {
    const std::pair<std::string, std::string> cases[] = {
        {std::string("\x89PNG\r\n\x1A\n\0\0\0", 11), "a PNG image"},
        {std::string("\x7F"
                     "ELF\0\0\0\0",
                     8),
         "an ELF program"},
        {"\x1F\x8B\x08", "a gzip archive"},
        {std::string("some text") + std::string(100, '\0') + std::string(100, '\1'),
         "100 control characters"},
        {repeat("\x01\x02\x03\x04 ab", 50), "control characters"},
        {zip_bytes({{"a.txt", "hello"}}), "a ZIP archive"},
        {zip_bytes({{"xl/workbook.bin", "x"}}), "a binary Excel workbook"},
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
