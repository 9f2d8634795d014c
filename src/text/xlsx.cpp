// Excel workbooks: sheet by sheet, a row a line. Lines of a citation are the sheet's rows.
#include <algorithm>
#include <cstdlib>

#include "text/formats.h"
#include "text/office_package.h"
#include "text/table_text.h"
#include "text/xlsx_cells.h"

namespace s3attn::text {
namespace {

constexpr uint32_t kWidestGap = 256;  // empty cells that are kept in front of a cell

class XlsxReader {
  public:
    XlsxReader(ZipArchive& archive, OpenRequest& request)
        : archive_(archive),
          path_(request.header.path),
          notes_(request.header.notes),
          most_(request.options.max_parse_bytes) {}

    Status read(ExtractedText& out) {
        const std::string main = main_part(archive_, path_, "xl/workbook.xml");
        pugi::xml_document workbook;
        S3ATTN_CHECK(parse_entry(archive_, path_, main, workbook));
        Relations parts = relations_of(archive_, path_, main);
        S3ATTN_CHECK(read_shared(parts));
        const pugi::xml_node root = workbook.document_element();
        const std::string from_1904 = attribute_named(child_named(root, "workbookPr"), "date1904");
        if (from_1904 == "1" || from_1904 == "true") cells_.count_from_1904();
        for (const pugi::xml_node& sheet : child_named(root, "sheets").children()) {
            std::string id;
            for (const pugi::xml_attribute& attribute : sheet.attributes()) {
                if (std::string_view(attribute.name()).ends_with(":id")) id = attribute.value();
            }
            const std::string name = attribute_named(sheet, "name");
            const std::string entry = parts[id].entry;
            const Status read = read_sheet(name, entry, out);
            if (read.ok()) continue;
            if (archive_.exhausted() || read.error().code == ErrorCode::kUnsupported) return read;
            add_note(notes_, {ReadNote::Kind::kUnread, "sheet " + name, 1,
                              without_place(read.error(), path_, entry)});
        }
        tell();
        return {};
    }

  private:
    Status read_shared(const Relations& parts) {
        for (const std::string& entry : parts_of(parts, "sharedStrings")) {
            pugi::xml_document document;
            S3ATTN_CHECK(parse_entry(archive_, path_, entry, document));
            cells_.read_strings(document.document_element());
        }
        for (const std::string& entry : parts_of(parts, "styles")) {
            pugi::xml_document document;
            const Status parsed = parse_entry(archive_, path_, entry, document);
            if (parsed.ok()) {
                cells_.read_styles(document.document_element());
            } else {
                add_note(notes_, {ReadNote::Kind::kUnread, entry, 1,
                                  without_place(parsed.error(), path_, entry) +
                                      "; dates and percentages are read as numbers"});
            }
        }
        return {};
    }

    Status read_sheet(const std::string& name, const std::string& entry, ExtractedText& out) {
        pugi::xml_document document;
        S3ATTN_CHECK(parse_entry(archive_, path_, entry, document));
        out.begin_chapter();
        ExtractedText::Kind heading;
        heading.heading = true;
        heading.level = 1;
        out.add(name, heading, {{0, 1}});
        S3ATTN_CHECK(read_rows(child_named(document.document_element(), "sheetData"), out));
        if (child_named(document.document_element(), "headerFooter").first_child()) ++page_headers_;
        const Relations parts = relations_of(archive_, path_, entry);
        S3ATTN_CHECK(read_comments(parts, out));
        for (const std::string& drawing : parts_of(parts, "drawing")) {
            S3ATTN_CHECK(read_drawing(drawing, out));
        }
        objects_ += parts_of(parts, "oleObject").size() + parts_of(parts, "package").size();
        return {};
    }

    // A row that is empty, or missing, ends a table.
    Status read_rows(const pugi::xml_node& data, ExtractedText& out) {
        TableText table;
        uint32_t number = 0, last = 0;
        for (const pugi::xml_node& row : data.children()) {
            const std::string given = attribute_named(row, "r");
            number = given.empty()
                         ? number + 1
                         : static_cast<uint32_t>(std::strtoul(given.c_str(), nullptr, 10));
            std::vector<std::string> texts;
            for (const pugi::xml_node& cell : row.children()) {
                if (local_name(cell) != "c") continue;
                const std::string place = attribute_named(cell, "r");
                const size_t column = place.empty() ? texts.size() : column_of(place);
                std::string text = cells_.text_of(cell, &uncomputed_);
                if (text.empty()) continue;
                if (column > texts.size()) {
                    texts.resize(texts.size() +
                                 std::min<size_t>(column - texts.size(), kWidestGap));
                }
                texts.push_back(std::move(text));
            }
            if (texts.empty()) continue;
            if (number > last + 1) table.finish(out);
            table.add_row(texts, std::max(number, 1u));
            last = number;
            if (out.size() + table.size() > most_) {
                return make_error(ErrorCode::kUnsupported,
                                  path_ + " holds more than " + std::to_string(most_) +
                                      " bytes of text; split it, or save its sheets as CSV");
            }
        }
        table.finish(out);
        return {};
    }

    Status read_comments(const Relations& parts, ExtractedText& out) {
        const bool threaded = !parts_of(parts, "threadedComment").empty();
        for (const char* type : {"threadedComment", "comments"}) {
            for (const std::string& entry : parts_of(parts, type)) {
                pugi::xml_document document;
                S3ATTN_CHECK(parse_entry(archive_, path_, entry, document));
                std::vector<std::string> authors;
                const pugi::xml_node root = document.document_element();
                for (const pugi::xml_node& author : elements_named(root, "author")) {
                    authors.emplace_back(author.text().get());
                }
                for (const char* element : {"comment", "threadedComment"}) {
                    for (const pugi::xml_node& comment : elements_named(root, element)) {
                        add_comment(comment, authors, threaded, out);
                    }
                }
            }
        }
        return {};
    }

    static void add_comment(const pugi::xml_node& comment, const std::vector<std::string>& authors,
                            bool threaded, ExtractedText& out) {
        const pugi::xml_node body = child_named(comment, "text");
        const std::string text = body.text().get() + rich_text(body);
        const std::string number = attribute_named(comment, "authorId");
        const auto author = static_cast<size_t>(std::strtoull(number.c_str(), nullptr, 10));
        const std::string name = !number.empty() && author < authors.size() ? authors[author] : "";
        // What older programs see of a conversation that is read as such.
        if (threaded && name.starts_with("tc=")) return;
        if (trim(text).empty()) return;
        const std::string place = attribute_named(comment, "ref");
        const std::string digits =
            place.substr(std::min(place.find_first_of("0123456789"), place.size()));
        const auto row = static_cast<uint32_t>(std::strtoul(digits.c_str(), nullptr, 10));
        out.add("Comment" + (name.empty() ? "" : " by " + name) + " on " + place + ": " + text, {},
                {{0, std::max(row, 1u)}});
    }

    // Text boxes, and titles of charts.
    Status read_drawing(const std::string& entry, ExtractedText& out) {
        pugi::xml_document document;
        S3ATTN_CHECK(parse_entry(archive_, path_, entry, document));
        drop_fallbacks(document.document_element());
        for (const std::string& text : drawing_paragraphs(document.document_element())) {
            out.add(text, {}, {{0, 1}});
        }
        const Relations parts = relations_of(archive_, path_, entry);
        pictures_ += parts_of(parts, "image").size();
        for (const std::string& chart : parts_of(parts, "chart")) {
            ++charts_;
            pugi::xml_document drawn;
            S3ATTN_CHECK(parse_entry(archive_, path_, chart, drawn));
            for (const std::string& text : drawing_paragraphs(drawn.document_element())) {
                out.add(text, {}, {{0, 1}});
            }
        }
        return {};
    }

    void tell() {
        const auto say = [this](ReadNote::Kind kind, uint64_t count, const std::string& what) {
            if (count > 0) add_note(notes_, {kind, {}, count, what + ": " + std::to_string(count)});
        };
        say(ReadNote::Kind::kUnread, uncomputed_,
            "formulas whose values the file does not hold (open it with Excel or LibreOffice and "
            "save it)");
        say(ReadNote::Kind::kLeftOut, charts_, "charts, of which only the titles are read");
        say(ReadNote::Kind::kLeftOut, pictures_, "pictures");
        say(ReadNote::Kind::kLeftOut, page_headers_,
            "sheets with headers and footers for printing");
        say(ReadNote::Kind::kUnread, objects_,
            "embedded objects of other programs, not read (index their files by themselves)");
    }

    ZipArchive& archive_;
    const std::string& path_;
    std::vector<ReadNote>& notes_;
    uint64_t most_;
    XlsxCells cells_;
    uint64_t uncomputed_ = 0, charts_ = 0, pictures_ = 0, page_headers_ = 0, objects_ = 0;
};

}  // namespace

OpenResult open_xlsx(OpenRequest request) {
    S3ATTN_TRY(const std::unique_ptr<ZipArchive> archive, open_office(request, "XLSX"));
    ExtractedText text;
    S3ATTN_CHECK(XlsxReader(*archive, request).read(text));
    return text.finish(std::move(request), Place::kMapLines);
}

}  // namespace s3attn::text
