// A document of any bytes, read as HTML, as XHTML, and where it is an archive as EPUB or DOCX: an
// error or units that keep the reader's promises. The first byte says how the input is used.
#include <zip.h>

#include <array>
#include <fstream>
#include <string_view>

#include "target.h"
#include "text/document_reader.h"
#include "text/text_window.h"
#include "text/whitespace.h"
#include "text/xhtml.h"

namespace s3attn::fuzz {
namespace {

const Scratch& scratch() {
    static const Scratch directory;
    return directory;
}

using Entries = std::vector<std::pair<std::string, std::string>>;

std::string archive(const Entries& entries) {
    const std::string path = scratch() / "made.zip";
    zip_t* zip = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
    if (zip == nullptr) fail("no archive can be made");
    for (const auto& [name, content] : entries) {
        zip_source_t* source = zip_source_buffer(zip, content.data(), content.size(), 0);
        const zip_int64_t index = zip_file_add(zip, name.c_str(), source, ZIP_FL_OVERWRITE);
        // Unpacked, so that a change of the input is a change of the content.
        zip_set_file_compression(zip, static_cast<zip_uint64_t>(index), ZIP_CM_STORE, 0);
    }
    if (zip_close(zip) != 0) fail("an archive cannot be written");
    return read_file(path);
}

constexpr char kHtml = 'h', kXhtml = 'x', kArchive = 'z', kChapter = 'c', kPackage = 'p',
               kBody = 'b', kNumbering = 'n', kStyles = 's';

const std::string kContainer =
    "<container><rootfiles><rootfile full-path='O/b.opf'/></rootfiles></container>";
const std::string kOpf =
    "<package><manifest><item id='a' href='a%20b.xhtml' media-type='application/xhtml+xml'/>"
    "<item id='n' href='n.xhtml' properties='nav'/></manifest><spine><itemref idref='a'/></spine>"
    "</package>";
const std::string kPage =
    "<?xml version='1.0'?><!DOCTYPE html [<!ENTITY e "
    "'x'>]><html><head><title>T</title></head><body>"
    "<ol start='3'><li>a<sup><a href='#n'>1</a></sup></li></ol><p hidden='hidden'>10<sup>6</sup> "
    "&e;"
    "&nbsp;<![CDATA[<b>]]></p><table><tr><td>1</td><td>2</td></tr></table><del>x</del><ruby>b<rt>r"
    "</rt></ruby><math><msup><mi>x</mi><mn>2</mn></msup></math><iframe srcdoc='&lt;p>f'/></body>"
    "</html>";
const std::string kText =
    "<w:document><w:body><w:p><w:pPr><w:pStyle w:val='S'/><w:numPr><w:ilvl w:val='1'/><w:numId "
    "w:val='1'/></w:numPr></w:pPr><w:r><w:rPr><w:vertAlign "
    "w:val='superscript'/></w:rPr><w:t>1</w:t>"
    "</w:r><w:r><w:footnoteReference w:id='2'/><w:sym w:font='Symbol' w:char='F061'/></w:r></w:p>"
    "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>c</w:t></w:r></w:p></w:tc></w:tr></w:tbl></w:body>"
    "</w:document>";
const std::string kLists =
    "<w:numbering><w:abstractNum w:abstractNumId='1'><w:lvl w:ilvl='0'><w:start "
    "w:val='1'/><w:numFmt "
    "w:val='upperRoman'/><w:lvlText w:val='%1.'/></w:lvl><w:lvl w:ilvl='1'><w:numFmt "
    "w:val='lowerLetter'/><w:lvlText w:val='%1.%2'/><w:pStyle w:val='S'/></w:lvl></w:abstractNum>"
    "<w:num w:numId='1'><w:abstractNumId w:val='1'/><w:lvlOverride w:ilvl='1'><w:startOverride "
    "w:val='3'/></w:lvlOverride></w:num></w:numbering>";
const std::string kSheet =
    "<w:styles><w:style w:type='paragraph' w:default='1' w:styleId='S'><w:basedOn "
    "w:val='S'/><w:pPr>"
    "<w:numPr><w:numId w:val='1'/></w:numPr></w:pPr></w:style></w:styles>";

std::string book(const std::string& package, const std::string& chapter) {
    return archive({{"META-INF/container.xml", kContainer},
                    {"O/b.opf", package},
                    {"O/a b.xhtml", chapter},
                    {"O/n.xhtml", kPage}});
}

std::string document(const std::string& body, const std::string& lists, const std::string& sheet) {
    return archive({{"word/document.xml", body},
                    {"word/numbering.xml", lists},
                    {"word/styles.xml", sheet},
                    {"word/footnotes.xml",
                     "<w:footnotes><w:footnote w:id='2'><w:p><w:r><w:t>n</w:t>"
                     "</w:r></w:p></w:footnote></w:footnotes>"}});
}

std::string file_of(char use, const std::string& input) {
    switch (use) {
        case kChapter: return book(kOpf, input);
        case kPackage: return book(input, kPage);
        case kBody: return document(input, kLists, kSheet);
        case kNumbering: return document(kText, input, kSheet);
        case kStyles: return document(kText, kLists, input);
        default: return input;
    }
}

bool is_utf8(const std::string& text) {
    std::string decoded;
    text::make_utf8_decoder()->decode(text, true, decoded, nullptr);
    return decoded == text;
}

void check(DocumentReader& reader, const ReaderOptions& options) {
    uint64_t end = 0;
    for (Unit unit;;) {
        const Result<bool> more = reader.next(unit);
        if (!more.ok()) return;
        if (!*more) break;
        // A gap holds white space, or a run that is no language, which is long.
        const size_t held = text::trim(unit.gap).size();
        if (held > 0 && held < 96) fail("a gap holds text: " + unit.gap);
        if (unit.text.empty() || text::trim(unit.text) != unit.text) fail("a unit is not trimmed");
        if (!is_utf8(unit.text)) fail("a unit is not UTF-8");
        if (unit.text.size() > options.max_unit_bytes) fail("a unit is too large");
        if (unit.byte_begin < end || unit.byte_end <= unit.byte_begin) fail("units out of order");
        if (unit.line_end < unit.line_begin || unit.line_begin == 0) fail("lines out of order");
        end = unit.byte_end;
    }
    for (const ReadNote& note : reader.header().notes) {
        if (note.message.empty()) fail("a note says nothing");
    }
}

}  // namespace

std::vector<std::string> seeds() {
    return {kHtml + kPage,
            kXhtml + kPage,
            kChapter + kPage,
            kPackage + kOpf,
            kBody + kText,
            kNumbering + kLists,
            kStyles + kSheet,
            kArchive + book(kOpf, kPage),
            kArchive + document(kText, kLists, kSheet)};
}

}  // namespace s3attn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace s3attn;
    if (size == 0) return 0;
    const char use = static_cast<char>(data[0]);
    const std::string input(reinterpret_cast<const char*>(data) + 1, size - 1);
    const std::string bytes = fuzz::file_of(use, input);
    const std::string path = fuzz::scratch() / (use == fuzz::kXhtml  ? "input.xhtml"
                                                : use == fuzz::kHtml ? "input.html"
                                                                     : "input");
    fuzz::write_file(path, bytes.data(), bytes.size());
    ReaderOptions options;
    options.max_parse_bytes = 1 << 20;
    const auto reader = open_document(path, options);
    if (!reader.ok()) {
        if (reader.error().message.empty()) fuzz::fail("an error says nothing");
        return 0;
    }
    fuzz::check(**reader, options);
    return 0;
}
