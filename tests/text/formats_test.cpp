#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>

#include "text/child_process.h"
#include "text/source_file.h"
#include "text_test_util.h"

namespace s3attn::text_test {
namespace {

const std::string kLong = repeat("This sentence is about the sea and a ship. ", 6) + "The end.";

Document html(const std::string& bytes) {
    Document document = read_bytes("a.html", bytes);
    EXPECT_TRUE(document.ok) << document.error.message;
    EXPECT_EQ(broken_invariant(document, {}), "");
    EXPECT_EQ(document.header.format, "html");
    EXPECT_EQ(document.header.offsets, OffsetSpace::kExtracted);
    return document;
}

TEST(Html, BlocksEntitiesAndHiddenContent) {
    const Document document = html(
        "<!DOCTYPE html><html><head><title>My &amp; T</title><style>p{}</style></head><body>"
        "<script>var x='<p>no</p>';</script><nav>Menu</nav><h1>One <b>two</b></h1>"
        "<p>First&nbsp;with\n a&#8212;dash<br>new line caf&eacute;</p><div hidden>yes</div>"
        "<p style='display: none'>yes</p><ul><li>a<li>b <i>c</i></ul>"
        "<pre>x  y\n  z</pre><table><tr><th>A<th>B<tr><td>1<td>2</table>"
        "<table><tr><td><p>Layout</p></table>tail</body></html>");
    EXPECT_EQ(document.all(),
              "My & T\n\nMenu\n\nOne two\n\nFirst with a\u2014dash\nnew line caf\u00E9\n\nyes\n\n"
              "yes\na\nb c\n\nx  y\n  "
              "z\n\nA\tB\n1\t2\n\nLayout\n\ntail");
}

TEST(Html, LinesAreThoseOfTheSource) {
    const Document document = html("<html>\n<body>\n<!-- c -->\n<p>" + kLong + "</p>\r\n\r\n<p\n>" +
                                   "x\ny " + kLong + "\n</p></body></html>");
    ASSERT_EQ(document.units.size(), 2u);
    EXPECT_EQ(document.units[0].line_begin, 4u);
    EXPECT_EQ(document.units[0].line_end, 4u);
    EXPECT_EQ(document.units[1].line_begin, 7u);
    EXPECT_EQ(document.units[1].line_end, 8u);
}

TEST(Html, CharsetIsDeclaredOrFound) {
    EXPECT_NE(html("<html><meta charset=\"iso-8859-2\"><p>\xBF\xF3\xB3w")
                  .all()
                  .find("\u017C\u00F3\u0142w"),
              std::string::npos);
    EXPECT_NE(
        html("<html><meta http-equiv=x content='text/html; charset=windows-1252'><p>\x93q\x94")
            .all()
            .find("\u201Cq\u201D"),
        std::string::npos);
    // A declaration that the bytes contradict is not believed.
    EXPECT_NE(html("<html><meta charset=latin1><p>\u65E5\u672C").all().find("\u65E5\u672C"),
              std::string::npos);
}

TEST(Html, ContentDecidesOverName) {
    EXPECT_EQ(read_bytes("a", "\n<!doctype HTML><p>x").header.format, "html");
    EXPECT_EQ(read_bytes("a.txt", "We say <html> here").header.format, "text");
    EXPECT_EQ(read_bytes("noext", pdf_bytes({"Hello"})).header.format, "pdf");
    EXPECT_EQ(read_bytes("a.txt", "%PD is no PDF").header.format, "text");
}

TEST(Html, DeepNestingIsRefusedOrReadButNeverHangs) {
    const Document deep = read_bytes("a.html", repeat("<div>", 1000000) + "x");
    EXPECT_FALSE(deep.ok);
    EXPECT_NE(deep.error.message.find("nested"), std::string::npos) << deep.error.message;
    html(repeat("<b><p>", 3000) + "x");
    html(repeat("<p>paragraph<li>item", 50000));
    html(repeat("<table><tr><td>", 3000) + "x");
}

TEST(Html, LargerThanTheLimitIsRefused) {
    ReaderOptions options;
    options.max_parse_bytes = 100;
    const Document document = read_bytes("a.html", "<p>" + kLong, options);
    EXPECT_EQ(document.error.code, ErrorCode::kUnsupported);
    EXPECT_NE(document.error.message.find("100 bytes"), std::string::npos);
}

class Pdf : public testing::Test {
  protected:
    void SetUp() override {
        if (text::find_program("pdftotext").empty()) GTEST_SKIP() << "pdftotext is not installed";
    }
};

TEST_F(Pdf, PagesAreCountedAndNeverJoined) {
    const Document document = read_bytes(
        "a.pdf",
        pdf_bytes({"First page.\nSecond line.", "", "Third page here.\nMore.", "Fourth."}));
    ASSERT_TRUE(document.ok) << document.error.message;
    EXPECT_EQ(broken_invariant(document, {}), "");
    ASSERT_EQ(document.units.size(), 3u);
    EXPECT_EQ(document.units[0].text, "First page.\nSecond line.");
    EXPECT_EQ(document.units[0].page, 1u);
    EXPECT_EQ(document.units[1].page, 3u);
    EXPECT_EQ(document.units[2].page, 4u);
    EXPECT_EQ(document.units[2].text, "Fourth.");
    EXPECT_EQ(document.header.offsets, OffsetSpace::kExtracted);
}

TEST_F(Pdf, LongPagesAreCutWithinThePage) {
    ReaderOptions options;
    options.target_unit_bytes = 300;
    options.max_unit_bytes = 600;
    std::string page;
    for (int i = 0; i < 50; ++i)
        page += "The ship sailed on over the wide sea that day, and it\nrained all day long.\n";
    const Document document = read_bytes("a.pdf", pdf_bytes({page, page}), options);
    ASSERT_TRUE(document.ok) << document.error.message;
    EXPECT_EQ(broken_invariant(document, options), "");
    EXPECT_GT(document.units.size(), 6u);
    for (const Unit& unit : document.units) EXPECT_EQ(unit.text.find('\f'), std::string::npos);
    EXPECT_EQ(document.units.back().page, 2u);
}

TEST_F(Pdf, ReasonsAreNamed) {
    const std::pair<std::string, std::string> cases[] = {
        {pdf_bytes({"", ""}), "no text layer: run OCR first"},
        {pdf_bytes({"Secret"}, true), "encrypted PDF"},
        {"%PDF-1.4\nnothing of the kind", "damaged PDF"},
    };
    for (const auto& [bytes, reason] : cases) {
        const Document document = read_bytes("x.pdf", bytes);
        EXPECT_FALSE(document.ok);
        EXPECT_NE(document.error.message.find(reason), std::string::npos) << document.error.message;
        EXPECT_NE(document.error.message.find("x.pdf"), std::string::npos);
    }
}

TEST_F(Pdf, OutputLimit) {
    ReaderOptions options;
    options.child_output_bytes = 10;
    const Document document = read_bytes("x.pdf", pdf_bytes({"More than ten bytes"}), options);
    EXPECT_NE(document.error.message.find("more than 10 bytes"), std::string::npos)
        << document.error.message;
}

TEST(PdfWithoutConverter, ErrorSaysWhatToInstall) {
    const std::string path = std::getenv("PATH") != nullptr ? std::getenv("PATH") : "";
    ::setenv("PATH", "/nonexistent", 1);
    const Document document = read_bytes("x.pdf", pdf_bytes({"Text"}));
    ::setenv("PATH", path.c_str(), 1);
    EXPECT_NE(document.error.message.find("apt-get install poppler-utils"), std::string::npos)
        << document.error.message;
}

Result<text::ChildOutcome> shell(const std::string& script, const text::ChildLimits& limits,
                                 std::string& output) {
    auto input = text::SourceFile::temporary("input");
    auto sink = text::SourceFile::temporary("output");
    auto outcome =
        text::run_child({"/bin/sh", "-c", script}, (*input)->fd(), (*sink)->fd(), limits);
    output = (*sink)->read_all(1 << 24).value();
    return outcome;
}

TEST(ChildProcess, OutputExitCodeAndMessages) {
    std::string output;
    const auto outcome = shell("echo out; echo err >&2; exit 7", {}, output);
    ASSERT_TRUE(outcome.ok());
    EXPECT_EQ(output, "out\n");
    EXPECT_EQ(outcome->messages, "err\n");
    EXPECT_EQ(outcome->exit_code, 7);
}

TEST(ChildProcess, TimeAndOutputLimitsKillIt) {
    text::ChildLimits limits;
    limits.seconds = 1;
    limits.output_bytes = 1000;
    std::string output;
    const auto start = std::chrono::steady_clock::now();
    EXPECT_TRUE(shell("sleep 30", limits, output)->timed_out);
    EXPECT_TRUE(shell("while :; do echo xxxxxxxxxxxxxxxx; done", limits, output)->output_limit);
    EXPECT_LE(output.size(), 1000u);
    EXPECT_EQ(shell("kill -SEGV $$", limits, output)->signal, 11);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(15));
}

TEST(ChildProcess, FloodOfMessagesIsCut) {
    std::string output;
    const auto outcome =
        shell("i=0; while [ $i -lt 5000 ]; do echo message >&2; i=$((i+1)); done", {}, output);
    EXPECT_LE(outcome->messages.size(), 4096u);
    EXPECT_EQ(outcome->exit_code, 0);
}

TEST(ChildProcess, ProgramThatIsNotThere) {
    EXPECT_EQ(text::find_program("no-such-program-anywhere"), "");
    std::string output;
    auto sink = text::SourceFile::temporary("output");
    const auto outcome = text::run_child({"/no/such/program"}, (*sink)->fd(), (*sink)->fd(), {});
    ASSERT_TRUE(outcome.ok());
    EXPECT_EQ(outcome->exit_code, 127);
}

}  // namespace
}  // namespace s3attn::text_test
