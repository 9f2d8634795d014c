// A document of any bytes under a name of every format that is read: an error, or units that keep
// the reader's promises. The first byte says which format; archives are made of the rest, so that
// a change of the input is a change of what stands in them.
#include <zip.h>

#include <array>
#include <string_view>

#include "s3attn/ocr.h"
#include "target.h"
#include "text/document_reader.h"
#include "text/text_window.h"
#include "text/whitespace.h"

namespace s3attn::fuzz {
namespace {

const Scratch& scratch() {
    static const Scratch directory;
    return directory;
}

using Entries = std::vector<std::pair<std::string, std::string>>;

std::string pack(const Entries& entries) {
    const std::string path = scratch() / "packed.zip";
    zip_t* zip = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
    if (zip == nullptr) fail("no archive can be made");
    for (const auto& [name, content] : entries) {
        zip_source_t* source = zip_source_buffer(zip, content.data(), content.size(), 0);
        const zip_int64_t index = zip_file_add(zip, name.c_str(), source, ZIP_FL_OVERWRITE);
        zip_set_file_compression(zip, static_cast<zip_uint64_t>(index), ZIP_CM_STORE, 0);
    }
    if (zip_close(zip) != 0) fail("an archive cannot be written");
    return read_file(path);
}

std::string workbook(const std::string& sheet) {
    return pack({{"xl/workbook.xml",
                  "<workbook xmlns:r='r'><sheets><sheet name='S' sheetId='1' r:id='rId1'/></sheets>"
                  "</workbook>"},
                 {"xl/_rels/workbook.xml.rels",
                  "<Relationships><Relationship Id='rId1' Type='worksheet' "
                  "Target='worksheets/sheet1.xml'/></Relationships>"},
                 {"xl/sharedStrings.xml", "<sst><si><t>City</t></si><si><t>Lyon</t></si></sst>"},
                 {"xl/worksheets/sheet1.xml", sheet}});
}

std::string slides(const std::string& slide) {
    return pack({{"ppt/presentation.xml",
                  "<p:presentation xmlns:r='r'><p:sldIdLst><p:sldId id='1' r:id='rId1'/>"
                  "</p:sldIdLst></p:presentation>"},
                 {"ppt/_rels/presentation.xml.rels",
                  "<Relationships><Relationship Id='rId1' Type='slide' Target='slides/slide1.xml'/>"
                  "</Relationships>"},
                 {"ppt/slides/slide1.xml", slide}});
}

std::string open_document(const std::string& type, const std::string& content) {
    return pack(
        {{"mimetype", "application/vnd.oasis.opendocument." + type}, {"content.xml", content}});
}

std::string as_it_is(const std::string& input) { return input; }
std::string open_text(const std::string& input) { return open_document("text", input); }
std::string open_sheet(const std::string& input) { return open_document("spreadsheet", input); }
std::string open_slides(const std::string& input) { return open_document("presentation", input); }

struct Use {
    const char* file;
    std::string (*make)(const std::string& input);
    std::string_view seed;
};
constexpr Use kUses[] = {
    {"a.txt", as_it_is, "One line.\n\nAnother paragraph, of two\nlines."},
    {"a.md", as_it_is, "---\ntitle: T\n---\n# H\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- x\n"},
    {"a.eml", as_it_is,
     "From: a@b\nDate: Mon, 3 May 2021 10:00:00 +0200\nMIME-Version: 1.0\nContent-Type: "
     "multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\nContent-Transfer-Encoding: "
     "quoted-printable\n\n<p>x=3Dy</p>\n--b\nContent-Type: text/csv\nContent-Disposition: "
     "attachment; filename=t.csv\n\na,b\n1,2\n--b--\n"},
    {"a.mbox", as_it_is, "From a Mon\nFrom: a@b\nSubject: s\n\nt\n\nFrom b Mon\nFrom: c@d\n\nu\n"},
    {"a.csv", as_it_is, "City,Year\nLyon,\"2019\n\"\nParis,2020\n"},
    {"a.tsv", as_it_is, "City\tYear\nLyon\t2019\n"},
    {"a.jsonl", as_it_is, "{\"a\": 1}\n{\"b\": \"x\"}\n"},
    {"a.srt", as_it_is,
     "1\n00:00:01,000 --> 00:00:02,500\nHello there.\n\n2\n00:01:00,000 --> "
     "00:01:01,000\n<i>Again</i>\n"},
    {"a.vtt", as_it_is, "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ann>Hello.\n"},
    {"a.ipynb", as_it_is,
     "{\"cells\":[{\"cell_type\":\"markdown\",\"source\":[\"# T\\n\",\"x\"]},{\"cell_type\":"
     "\"code\",\"source\":\"1\",\"outputs\":[{\"text\":[\"1\"]}]}],\"nbformat\":4}"},
    {"a.rst", as_it_is, "Title\n=====\n\n.. note:: x\n\n   y\n\n::\n\n  code\n"},
    {"a.org", as_it_is, "* H\n:PROPERTIES:\n:a: b\n:END:\n#+begin_src\nx\n#+end_src\n| a | b |\n"},
    {"a.tex", as_it_is, "\\section{A}\n\\begin{table}x & y\\\\\\end{table}\n% c\ntext\n"},
    {"a.py", as_it_is, "def f():\n    return 1\n\n\nclass A:\n    pass\n"},
    {"a.docm", as_it_is, "PK\3\4"},
    {"a.fodt", as_it_is,
     "<office:document office:mimetype='application/vnd.oasis.opendocument.text'><office:body>"
     "<office:text><text:h text:outline-level='1'>H</text:h><text:p>x<text:note><text:note-body>"
     "<text:p>n</text:p></text:note-body></text:note></text:p></office:text></office:body>"
     "</office:document>"},
    {"a.odt", open_text,
     "<office:document-content><office:body><office:text><text:list><text:list-item><text:p>a"
     "</text:p></text:list-item></text:list><table:table><table:table-row><table:table-cell>"
     "<text:p>c</text:p></table:table-cell></table:table-row></table:table></office:text>"
     "</office:body></office:document-content>"},
    {"a.ods", open_sheet,
     "<office:document-content><office:body><office:spreadsheet><table:table table:name='S'>"
     "<table:table-row table:number-rows-repeated='3'><table:table-cell office:value-type='float' "
     "office:value='1'/></table:table-row></table:table></office:spreadsheet></office:body>"
     "</office:document-content>"},
    {"a.odp", open_slides,
     "<office:document-content><office:body><office:presentation><draw:page draw:name='1'>"
     "<draw:frame><draw:text-box><text:p>t</text:p></draw:text-box></draw:frame></draw:page>"
     "</office:presentation></office:body></office:document-content>"},
    {"a.xlsx", workbook,
     "<worksheet><sheetData><row r='1'><c r='A1' t='s'><v>0</v></c></row><row r='2'><c r='A2' "
     "t='s'><v>1</v></c><c r='C2'><v>2019</v></c><c r='D2' t='inlineStr'><is><t>x</t></is></c>"
     "</row></sheetData></worksheet>"},
    {"a.pptx", slides,
     "<p:sld><p:cSld><p:spTree><p:sp><p:txBody><a:p><a:r><a:t>Title</a:t></a:r></a:p></p:txBody>"
     "</p:sp><p:graphicFrame><a:tbl><a:tr><a:tc><a:txBody><a:p><a:r><a:t>c</a:t></a:r></a:p>"
     "</a:txBody></a:tc></a:tr></a:tbl></p:graphicFrame></p:spTree></p:cSld></p:sld>"},
};
constexpr size_t kCount = std::size(kUses);
constexpr char kFirst = 'A';

void check(DocumentReader& reader, const ReaderOptions& options) {
    uint64_t end = 0;
    for (Unit unit;;) {
        const Result<bool> more = reader.next(unit);
        if (!more.ok()) return;
        if (!*more) break;
        std::string decoded;
        text::make_utf8_decoder()->decode(unit.text, true, decoded, nullptr);
        if (decoded != unit.text) fail("a unit is not UTF-8");
        if (unit.text.empty() || text::trim(unit.text) != unit.text) fail("a unit is not trimmed");
        if (unit.text.size() > options.max_unit_bytes) fail("a unit is too large");
        if (unit.byte_begin < end || unit.byte_end <= unit.byte_begin) fail("units out of order");
        if (unit.line_end < unit.line_begin) fail("lines out of order");
        if ((unit.line_begin == 0) == (unit.page == 0)) fail("neither lines nor a page, or both");
        if (unit.time_end_ms < unit.time_begin_ms) fail("it ends before it begins");
        end = unit.byte_end;
    }
    for (const ReadNote& note : reader.header().notes) {
        if (note.message.empty()) fail("a note says nothing");
    }
}

}  // namespace

std::vector<std::string> seeds() {
    std::vector<std::string> all;
    for (size_t i = 0; i < kCount; ++i) {
        all.push_back(static_cast<char>(kFirst + i) + std::string(kUses[i].seed));
    }
    return all;
}

}  // namespace s3attn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace s3attn;
    if (size == 0) return 0;
    static const bool without_children = (set_ocr(without_ocr()), true);
    static_cast<void>(without_children);
    const auto choice = static_cast<size_t>(static_cast<uint8_t>(data[0] - fuzz::kFirst));
    const fuzz::Use& use = fuzz::kUses[choice % fuzz::kCount];
    const std::string input(reinterpret_cast<const char*>(data) + 1, size - 1);
    // Readers that are children (PDF, DOC, RTF) have fuzzers of their own.
    if (input.substr(0, 1024).find("%PDF-") != input.npos || input.find("{\\rtf") != input.npos ||
        input.find("\xD0\xCF\x11\xE0") != input.npos) {
        return 0;
    }
    const std::string bytes = use.make(input);
    const std::string path = fuzz::scratch() / use.file;
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
