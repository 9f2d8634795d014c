#include "text_test_util.h"

#include <unistd.h>
#include <zip.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "s3attn/ocr.h"
#include "text/formats.h"
#include "text/whitespace.h"

namespace s3attn::text_test {
namespace {

// What is installed makes no difference to what other tests find in pictures.
const bool kWithoutOcr = (set_ocr(without_ocr()), true);

}  // namespace

TempDirectory::TempDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "s3attn-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) != nullptr) path_ = pattern;
}

TempDirectory::~TempDirectory() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
}

std::string TempDirectory::write(const std::string& name, std::string_view bytes) const {
    const std::string path = path_ + "/" + name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
}

std::string Document::all() const {
    std::string text;
    for (const Unit& unit : units) text += unit.gap + unit.text;
    return text;
}

Document read_document(const std::string& path, const ReaderOptions& options, size_t window) {
    Document document;
    auto reader = window == 0 ? open_document(path, options)
                              : text::open_document_windowed(path, options, window);
    if (!reader.ok()) {
        document.error = reader.error();
        return document;
    }
    document.header = (*reader)->header();
    for (;;) {
        Unit unit;
        const Result<bool> more = (*reader)->next(unit);
        if (!more.ok()) {
            document.error = more.error();
            return document;
        }
        if (!*more) break;
        document.units.push_back(std::move(unit));
    }
    document.header = (*reader)->header();  // the notes are whole now
    document.ok = true;
    return document;
}

Document read_bytes(const std::string& name, std::string_view bytes, const ReaderOptions& options,
                    size_t window) {
    const TempDirectory directory;
    return read_document(directory.write(name, bytes), options, window);
}

std::string broken_invariant(const Document& document, const ReaderOptions& options,
                             std::string_view bytes) {
    std::string source(bytes);  // as it reads: a NUL is a space
    std::replace(source.begin(), source.end(), '\0', ' ');
    const bool in_source = document.header.offsets == OffsetSpace::kSource;
    uint64_t end = 0;
    uint64_t extracted = 0;
    for (size_t i = 0; i < document.units.size(); ++i) {
        const Unit& unit = document.units[i];
        const std::string where = "unit " + std::to_string(i) + ": ";
        if (unit.byte_begin < end || unit.byte_end <= unit.byte_begin) return where + "order";
        end = unit.byte_end;
        if (!text::trim(unit.gap).empty()) return where + "gap is not whitespace: " + unit.gap;
        if (text::trim(unit.text) != unit.text || unit.text.empty()) return where + "not trimmed";
        if (unit.text.size() > options.max_unit_bytes) return where + "too large";
        if (unit.line_end < unit.line_begin) return where + "lines";
        if ((unit.page == 0) == (unit.line_begin == 0)) return where + "page or line";
        if (!in_source) {
            extracted += unit.gap.size();
            if (extracted != unit.byte_begin) return where + "offset in the extracted text";
            extracted += unit.text.size();
            if (extracted != unit.byte_end) return where + "end in the extracted text";
        } else if (!source.empty()) {
            if (source.substr(unit.byte_begin, unit.byte_end - unit.byte_begin) != unit.text) {
                return where + "slice differs from the source";
            }
            const std::string_view before = std::string_view(source).substr(0, unit.byte_begin);
            if (unit.line_begin != 1 + text::count_line_ends(before, '\0')) return where + "line";
            if (unit.line_end != unit.line_begin + text::count_line_ends(unit.text, '\0')) {
                return where + "last line";
            }
        }
    }
    if (in_source && !source.empty()) {
        std::string_view rest = source;
        if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);
        const std::string all = document.all();
        if (!rest.starts_with(all)) return "gaps and texts do not rebuild the source";
        if (!text::trim(rest.substr(all.size())).empty()) return "text at the end is missing";
    }
    return {};
}

std::string zip_bytes(const std::vector<std::pair<std::string, std::string>>& entries, bool store) {
    const TempDirectory directory;
    const std::string path = directory.path() + "/archive.zip";
    int code = 0;
    zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
    for (const auto& [name, content] : entries) {
        zip_source_t* from = zip_source_buffer(archive, content.data(), content.size(), 0);
        const zip_int64_t index = zip_file_add(archive, name.c_str(), from, ZIP_FL_ENC_UTF_8);
        if (store) {
            zip_set_file_compression(archive, static_cast<zip_uint64_t>(index), ZIP_CM_STORE, 0);
        }
    }
    zip_close(archive);
    return file_bytes(path);
}

std::string pdf_lines(const std::string& lines, int y, int size, int font) {
    std::string content = "BT /F" + std::to_string(font) + " " + std::to_string(size) +
                          " Tf 14 TL 72 " + std::to_string(y) + " Td\n";
    std::istringstream stream(lines);
    for (std::string line; std::getline(stream, line);) content += "(" + line + ") Tj T*\n";
    return content + "ET\n";
}

std::string pdf_bytes(const std::vector<std::string>& pages, bool encrypted) {
    std::vector<std::string> contents;
    for (const std::string& page : pages) contents.push_back(pdf_lines(page));
    return pdf_of_contents(contents, encrypted);
}

std::string pdf_of_contents(const std::vector<std::string>& contents, bool encrypted) {
    const auto stream = [](const std::string& content) {
        return "<< /Length " + std::to_string(content.size()) + " >>\nstream\n" + content +
               "\nendstream";
    };
    std::vector<std::string> objects;
    std::string kids;
    for (size_t i = 0; i < contents.size(); ++i) kids += std::to_string(6 + 2 * i) + " 0 R ";
    objects.push_back("<< /Type /Catalog /Pages 2 0 R >>");
    objects.push_back("<< /Type /Pages /Kids [" + kids + "] /Count " +
                      std::to_string(contents.size()) + " >>");
    objects.push_back("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>");
    objects.push_back(
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding "
        "/ToUnicode 5 0 R >>");
    objects.push_back(stream(
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def /CMapType 2 "
        "def 1 begincodespacerange <00> <FF> endcodespacerange 2 beginbfrange <41> <5A> <E041> "
        "<61> <7A> <E061> endbfrange 1 beginbfchar <20> <0020> endbfchar endcmap end end"));
    for (size_t i = 0; i < contents.size(); ++i) {
        objects.push_back("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents " +
                          std::to_string(7 + 2 * i) +
                          " 0 R /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> >>");
        objects.push_back(stream(contents[i]));
    }
    return pdf_of_objects(objects, encrypted);
}

std::string pdf_of_objects(const std::vector<std::string>& objects, bool encrypted) {
    std::string pdf = "%PDF-1.4\n";
    std::vector<size_t> offsets;
    for (size_t i = 0; i < objects.size(); ++i) {
        offsets.push_back(pdf.size());
        pdf += std::to_string(i + 1) + " 0 obj\n" + objects[i] + "\nendobj\n";
    }
    const size_t xref = pdf.size();
    pdf += "xref\n0 " + std::to_string(objects.size() + 1) + "\n0000000000 65535 f \n";
    for (const size_t offset : offsets) {
        const std::string digits = std::to_string(offset);
        pdf += std::string(10 - digits.size(), '0') + digits + " 00000 n \n";
    }
    // Keys that no empty password opens.
    const std::string key = "<" + repeat("0123456789ABCDEF", 4) + ">";
    const std::string encrypt = " /Encrypt << /Filter /Standard /V 1 /R 2 /P -44 /O " + key +
                                " /U " + key + " >> /ID [<00><00>]";
    pdf += "trailer\n<< /Root 1 0 R /Size " + std::to_string(objects.size() + 1) +
           (encrypted ? encrypt : std::string()) + " >>\nstartxref\n" + std::to_string(xref) +
           "\n%%EOF\n";
    return pdf;
}

std::string docx_bytes(const std::string& body) {
    return zip_bytes(
        {{"[Content_Types].xml", "<Types/>"},
         {"word/document.xml",
          "<?xml version=\"1.0\" encoding=\"UTF-8\"?><w:document "
          "xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:body>" +
              body + "</w:body></w:document>"}});
}

std::string epub_bytes(const std::vector<std::string>& chapters) {
    std::vector<std::pair<std::string, std::string>> entries = {
        {"mimetype", "application/epub+zip"},
        {"META-INF/container.xml",
         "<?xml version=\"1.0\"?><container><rootfiles><rootfile "
         "full-path=\"OEBPS/book.opf\"/></rootfiles></container>"}};
    std::string manifest, spine;
    // The manifest names the chapters in reverse: only the spine's order counts.
    for (size_t i = 0; i < chapters.size(); ++i) {
        const std::string id = "c" + std::to_string(i);
        manifest.insert(0, "<item id=\"" + id + "\" href=\"text/chapter%20" + std::to_string(i) +
                               ".xhtml\" media-type=\"application/xhtml+xml\"/>");
        spine += "<itemref idref=\"" + id + "\"/>";
        entries.emplace_back("OEBPS/text/chapter " + std::to_string(i) + ".xhtml",
                             "<?xml version=\"1.0\"?><html><head><title/></head><body>" +
                                 chapters[i] + "</body></html>");
    }
    entries.emplace_back("OEBPS/book.opf", "<package><manifest>" + manifest + "</manifest><spine>" +
                                               spine + "</spine></package>");
    return zip_bytes(entries);
}

std::string shared_data() {
    const char* variable = std::getenv("S3ATTN_SHARED_DATA");
    return variable != nullptr ? variable : S3ATTN_SHARED_DATA;
}

std::string file_bytes(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string repeat(std::string_view text, size_t times) {
    std::string all;
    for (size_t i = 0; i < times; ++i) all += text;
    return all;
}

}  // namespace s3attn::text_test
