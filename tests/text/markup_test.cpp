// What HTML and XHTML keep, leave out and keep apart (docs/documents.md).
#include <gtest/gtest.h>

#include "text/xhtml.h"
#include "text_test_util.h"

namespace s3attn::text_test {
namespace {

Document read_markup(const std::string& bytes, const std::string& name = "a.html") {
    Document document = read_bytes(name, bytes);
    EXPECT_TRUE(document.ok) << document.error.message;
    EXPECT_EQ(broken_invariant(document, {}), "");
    return document;
}

std::string body(const std::string& inner) {
    return read_markup("<html><body>" + inner + "</body></html>").all();
}

const std::string kXhtml =
    "<?xml version=\"1.0\"?><html xmlns=\"http://www.w3.org/1999/xhtml\"><body>";

std::string xhtml(const std::string& inner) {
    const Document document = read_markup(kXhtml + inner + "</body></html>");
    EXPECT_TRUE(document.header.notes.empty()) << document.header.notes[0].text();
    return document.all();
}

TEST(Markup, WhatIsHiddenIsContentAllTheSame) {
    for (const char* attribute :
         {"hidden", "hidden='until-found'", "aria-hidden='true'", "style='display:none'",
          "style='visibility: hidden'", "class='collapsed'"}) {
        EXPECT_EQ(body("<button>When?</button><div " + std::string(attribute) + ">In May.</div>"),
                  "When?\n\nIn May.")
            << attribute;
    }
}

TEST(Markup, FallbacksAreContent) {
    EXPECT_EQ(body("<noscript><p>No script</p></noscript>"), "No script");
    for (const char* tag : {"object", "video", "audio", "canvas", "nav", "dialog", "details",
                            "fieldset", "iframe", "noembed"}) {
        const std::string name = tag;
        EXPECT_EQ(body("<" + name + "><p>In <b>" + name + "</b></p></" + name + "><p>after"),
                  "In " + name + "\n\nafter");
    }
    EXPECT_EQ(body("<iframe srcdoc='&lt;p&gt;framed'></iframe>"), "framed");
    EXPECT_EQ(body("<textarea>typed\n text</textarea>"), "typed\n text");
    EXPECT_EQ(body("<label>City</label><select><optgroup label=North><option>Oslo<option>Rome"
                   "</select>"),
              "City\nNorth\nOslo\nRome");
    EXPECT_EQ(body("<svg><title>Plan</title><text>Mill</text><text>Weir</text><style>s</style>"
                   "</svg>"),
              "Plan Mill Weir");
    EXPECT_EQ(body("See <img src=a alt='the old mill'>here<img src=b alt=''>."),
              "See the old mill here.");
    EXPECT_EQ(body("<input type=submit value='Send it'><input value=typed><input type=hidden "
                   "value=token><input type=checkbox value=on>"),
              "Send it typed");
}

TEST(Markup, WhatIsNeverContentIsNotRead) {
    EXPECT_EQ(body("a<script>b</script><style>c</style><template><p>d</template><!-- e -->f"),
              "af");
    EXPECT_EQ(read_markup("<html><head><title>T</title><meta content=m><script>x</script></head>"
                          "<body>b</body></html>")
                  .all(),
              "T\n\nb");
}

TEST(Markup, ScriptsStayApart) {
    const std::pair<const char*, const char*> cases[] = {
        {"1804<sup>12</sup>, then", "1804[12], then"},
        {"1804<sup><a href='#n'>12</a></sup>.", "1804[12]."},
        {"1804<a href='#n'><sup>12</sup></a>.", "1804[12]."},
        {"In 1804<a href='#n'>12</a> or the treaty<a href='n.html#3'>3</a>.",
         "In 1804[12] or the treaty[3]."},
        {"section 3.<a href='#s'>2</a>, see <a href='#t'>12</a>, x<a href='#y'>y2</a>",
         "section 3.2, see 12, xy2"},
        {"a<a href='#m'>m<sup>2</sup></a>", "am^2"},
        {"Marlow<sup>[3]</sup> and", "Marlow[3] and"},
        {"signed.<sup>3, 4</sup> Then", "signed.[3, 4] Then"},
        {"About 10<sup>6</sup> florins", "About 10^6 florins"},
        {"10<sup>-6</sup> m, 10<sup>1.5</sup>", "10^-6 m, 10^1.5"},
        {"x<sup>n+1</sup>", "x^(n+1)"},
        {"40 km<sup>2</sup> wide", "40 km^2 wide"},
        {"H<sub>2</sub>O and CO<sub>2</sub>", "H_2O and CO_2"},
        {"a<sub>ij</sub>b 10<sup>2</sup>3", "a_ij b 10^2 3"},
        {"15<sup>1</sup>/<sub>2</sub> years", "15 1/2 years"},
        {"<sup>3</sup>/<sub>4</sub> inch", "3/4 inch"},
        {"the 1<sup>st</sup> and 2<sup>nd</sup>", "the 1st and 2nd"},
        {"word<sup>*</sup> and 5<sup>\u2020</sup>", "word* and 5\u2020"},
        {"<sup>1</sup>Born in 1871", "[1] Born in 1871"},
        {"in 1999<span style='font-size: 60%; Vertical-Align: super'>3</span>.", "in 1999[3]."},
        {"10<span class='x sup'>6</span> H<small class=subscript>2</small>O", "10^6 H_2O"},
        {"a<sup><span class=super>2</span></sup> b<span class=supper>2</span>", "a^2 b2"},
        {"Ca<sup>2+</sup> ion", "Ca^(2+) ion"},
        {"see<a href='n.html#x' role='doc-noteref'>7</a>on", "see[7]on"},
        {"<a href='#p'>10<sup>6</sup> florins</a>", "10^6 florins"},
        {"x<sup></sup>y<sup> </sup>z", "xyz"},
        {"a<sup>one<p>two</sup>three", "a^one\n\ntwothree"},
        {"8<sup>see the long remark at the end of this chapter, page twelve</sup>9",
         "8 see the long remark at the end of this chapter, page twelve 9"},
    };
    for (const auto& [html, text] : cases) EXPECT_EQ(body("<p>" + std::string(html)), text);
}

TEST(Markup, WhatABrowserShowsApartStaysApart) {
    const std::pair<const char*, const char*> cases[] = {
        {"A<br>B", "A\nB"},
        {"inter<wbr>national", "international"},
        {"<b>bold</b>er", "bolder"},
        {"<button>Yes</button><button>No</button>", "Yes No"},
        {"<kbd>Ctrl</kbd><kbd>C</kbd>", "Ctrl C"},
        {"costs <del>100</del><ins>80</ins> marks", "costs ~~100~~80 marks"},
        {"<s> old</s>new", "~~old~~new"},
        {"he said <q>no</q>now", "he said \u201Cno\u201Dnow"},
        {"<ruby>\u6F22<rp>[</rp><rt>kan</rt><rp>]</rp></ruby>", "\u6F22(kan)"},
        {"<table><tr><td>12<td>34</table>", "12\t34"},
        {"<dl><dt>Term<dd>Meaning</dl>", "Term\nMeaning"},
        {"<math><msup><mi>x</mi><mn>2</mn></msup></math>", "x^2"},
        {"<math>\n<mfrac>\n<mn>1</mn>\n<mn>2</mn>\n</mfrac>\n</math>", "1/2"},
        {"<math><msub><mi>a</mi><mn>1</mn></msub><mo>+</mo><mn>4</mn></math>", "a_1+4"},
    };
    for (const auto& [html, text] : cases) EXPECT_EQ(body(html), text);
}

TEST(Markup, NumberedListsShowTheirNumbers) {
    EXPECT_EQ(body("<ol><li>One<li><p>Two</p><p>more</p></ol>"), "1. One\n\n2. Two\n\nmore");
    EXPECT_EQ(body("<ol start=3 type=i><li>a<li value=9>b<li>c</ol>"), "iii. a\nix. b\nx. c");
    EXPECT_EQ(body("<ol type=A><li>x<ol><li>y</ol><li>z</ol>"), "A. x\n1. y\nB. z");
    EXPECT_EQ(body("<ol style='list-style: none'><li>x</ol><ul><li>y</ul>"), "x\ny");
}

TEST(Xhtml, EmptyElementsSwallowNothing) {
    for (const char* element : {"i aria-hidden='true'", "a hidden='hidden' id='p13'", "title",
                                "script src='x'", "style", "textarea", "iframe", "div",
                                "span style='display:none'", "template", "head", "s", "sup"}) {
        EXPECT_EQ(xhtml("<p>before</p><" + std::string(element) + "/><p>after</p>"),
                  "before\n\nafter")
            << element;
    }
}

TEST(Xhtml, CdataEntitiesAndDeclarations) {
    EXPECT_EQ(xhtml("<p>a <![CDATA[<b> & c]]> d</p>"), "a <b> & c d");
    EXPECT_EQ(xhtml("<p>caf&eacute;&nbsp;&mdash; &Alpha; &amp;lt; &#233;</p>"),
              "caf\u00E9 \u2014 \u0391 &lt; \u00E9");
    EXPECT_EQ(xhtml("<?php echo '>'; ?><p>a</p><!-- > --><p title='a>b'>c</p>"), "a\n\nc");
    const std::string doctype =
        "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.1//EN\" \"xhtml11.dtd\" [\n<!ENTITY mill "
        "\"Windm&#252;hle\">\n]>";
    EXPECT_EQ(
        read_markup("<?xml version='1.0'?>" + doctype +
                    "<html><head><title/></head><body><p>The &mill; &nosuch;</p></body></html>")
            .all(),
        "The Windm\u00FChle &nosuch;");
}

TEST(Xhtml, IsReadAsXmlWhereItSaysSo) {
    const std::string page = "<p>a</p><title/><p>b</p>";
    EXPECT_EQ(read_markup("<html><body>" + page + "</body></html>", "a.xhtml").all(), "a\n\nb");
    EXPECT_EQ(
        read_markup("<html xmlns='http://www.w3.org/1999/xhtml'><body>" + page + "</body></html>")
            .all(),
        "a\n\nb");
    EXPECT_EQ(read_markup("\n <?xml version='1.0'?><html><body>" + page + "</body></html>").all(),
              "a\n\nb");
}

TEST(Xhtml, LinesAreThoseOfTheSource) {
    const std::string text = repeat("Words of this paragraph. ", 20);
    const Document document = read_markup("<?xml version='1.0'?>\n<html>\n<body>\n<p>" + text +
                                          "</p>\n<p\n>x\n" + text + "</p>\n</body></html>");
    ASSERT_EQ(document.units.size(), 2u);
    EXPECT_EQ(document.units[0].line_begin, 4u);
    EXPECT_EQ(document.units[1].line_begin, 6u);
    EXPECT_EQ(document.units[1].line_end, 7u);
}

TEST(Markup, LinesOfTextThatThePageMovesAreAllThatItCameFrom) {
    // HTML puts text that stands between rows in front of the table.
    const Document document =
        read_markup("<html><body><table>\n<tr><td>one</td></tr>\nstray\n</table></body></html>");
    ASSERT_EQ(document.units.size(), 1u);
    EXPECT_EQ(document.units[0].text.substr(0, 5), "stray");
    EXPECT_EQ(document.units[0].line_begin, 2u);
    EXPECT_EQ(document.units[0].line_end, 3u);
}

TEST(Xhtml, WhatIsNotWellFormedIsReadAsHtmlWithANote) {
    const Document document = read_markup(
        "<?xml version='1.0'?>\n<html><body><p>one <i/>two<br>three &nbsp; <![CDATA[<4>]]>"
        "<title/><p>five</body></html>");
    EXPECT_EQ(document.all(), "one two\nthree <4>\n\nfive");
    ASSERT_EQ(document.header.notes.size(), 1u);
    EXPECT_EQ(document.header.notes[0].kind, ReadNote::Kind::kConverted);
    EXPECT_EQ(document.header.notes[0].place, "line 2");
    EXPECT_NE(document.header.notes[0].message.find("not well-formed"), std::string::npos);
}

TEST(Xhtml, EntitiesCannotGrowWithoutEnd) {
    std::string bomb =
        "<?xml version='1.0'?><!DOCTYPE html [<!ENTITY e0 '" + repeat("laugh", 20) + "'>";
    for (int i = 1; i < 10; ++i) {
        const std::string inner = "&e" + std::to_string(i - 1) + ";";
        bomb += "<!ENTITY e" + std::to_string(i) + " '" + repeat(inner, 10) + "'>";
    }
    bomb += "]><html><body><p>&e9;</p><p>the end</p></body></html>";
    const Document document = read_markup(bomb);
    EXPECT_LT(document.all().size(), 10u << 20);
    EXPECT_NE(document.all().find("the end"), std::string::npos);
    EXPECT_EQ(document.header.notes.size(), 1u);
}

TEST(Xhtml, NothingOutsideTheFileIsRead) {
    const TempDirectory directory;
    directory.write("secret.txt", "the secret");
    const Document document = read_document(directory.write(
        "a.xhtml",
        "<!DOCTYPE html [<!ENTITY s SYSTEM 'secret.txt'>]><html><body><p>a &s; b</p>"
        "</body></html>"));
    ASSERT_TRUE(document.ok) << document.error.message;
    EXPECT_EQ(document.all(), "a b");
    ASSERT_EQ(document.header.notes.size(), 1u);
    EXPECT_EQ(document.header.notes[0].kind, ReadNote::Kind::kUnread);
    EXPECT_NE(document.header.notes[0].message.find("&s;"), std::string::npos);
}

TEST(Xhtml, DeepNestingIsNoCrash) {
    read_markup(kXhtml + repeat("<div>", 200000) + "x" + repeat("</div>", 200000) +
                "</body></html>");
}

TEST(Sniffing, ANameOfTextWins) {
    const std::string page = "<!-- note -->\n# T\n\n`<html>` and Map<String, Handler>\n<script>x\n";
    for (const char* name : {"a.md", "a.markdown", "a.txt", "a.py", "a.json", "a.RST"}) {
        const Document document = read_bytes(name, page);
        ASSERT_TRUE(document.ok) << document.error.message;
        EXPECT_NE(document.header.format, "html") << name;
        EXPECT_NE(document.all().find("Map<String, Handler>\n<script>x"), std::string::npos);
    }
    EXPECT_EQ(read_bytes("a", page).header.format, "text");
    for (const char* begin :
         {"<html>", "<!DOCTYPE html>\n", "<?xml version='1.0'?><!-- <b> -->\n<html >",
          "<!-- a --><!-- b --><!doctype HTML [\n]>"}) {
        EXPECT_EQ(read_bytes("a", std::string(begin) + "<p>x").header.format, "html") << begin;
    }
    EXPECT_EQ(
        read_bytes("a.xml", "<?xml version='1.0'?><rss><![CDATA[<html>]]></rss>").header.format,
        "text");
    EXPECT_EQ(read_bytes("a.md", "{\\rtf is how RTF begins").header.format, "markdown");
    // What is certain is certain.
    EXPECT_EQ(read_bytes("a.md", docx_bytes("<w:p><w:r><w:t>x</w:t></w:r></w:p>")).header.format,
              "docx");
}

}  // namespace
}  // namespace s3attn::text_test
