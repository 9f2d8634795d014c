// PowerPoint: slides in their order, each with its tables, diagrams, notes and comments. A slide is
// a page.
#include <algorithm>

#include "text/formats.h"
#include "text/office_package.h"
#include "text/table_text.h"

namespace s3attn::text {
namespace {

class PptxReader {
  public:
    PptxReader(ZipArchive& archive, const std::string& path, std::vector<ReadNote>& notes)
        : archive_(archive), path_(path), notes_(notes) {}

    Status read(ExtractedText& out) {
        const std::string main = main_part(archive_, path_, "ppt/presentation.xml");
        pugi::xml_document presentation;
        S3ATTN_CHECK(parse_entry(archive_, path_, main, presentation));
        relations_ = relations_of(archive_, path_, main);
        read_authors();
        const pugi::xml_node list = child_named(presentation.document_element(), "sldIdLst");
        for (const pugi::xml_node& slide : list.children()) {
            // The relationship's id has a prefix; the slide's own id has none.
            std::string id;
            for (const pugi::xml_attribute& attribute : slide.attributes()) {
                const std::string_view name = attribute.name();
                if (name.ends_with(":id")) id = attribute.value();
            }
            ++page_;
            out.begin_chapter();
            const std::string& entry = relations_[id].entry;
            const Status read = read_slide(entry, out);
            if (read.ok()) continue;
            if (archive_.exhausted()) return read;
            add_note(notes_, {ReadNote::Kind::kUnread, "slide " + std::to_string(page_), 1,
                              without_place(read.error(), path_, entry)});
        }
        tell();
        return {};
    }

  private:
    void read_authors() {
        for (const char* type : {"commentAuthors", "authors"}) {
            for (const std::string& entry : parts_of(relations_, type)) {
                pugi::xml_document document;
                if (!parse_entry(archive_, path_, entry, document).ok()) continue;
                for (const pugi::xml_node& author : document.document_element().children()) {
                    authors_[attribute_named(author, "id")] = attribute_named(author, "name");
                }
            }
        }
    }

    void add(const std::string& text, ExtractedText::Kind kind, ExtractedText& out) const {
        out.add(text, kind, {{0, page_}});
    }

    Status read_slide(const std::string& entry, ExtractedText& out) {
        pugi::xml_document document;
        S3ATTN_CHECK(parse_entry(archive_, path_, entry, document));
        const pugi::xml_node slide = document.document_element();
        drop_fallbacks(slide);
        const Relations parts = relations_of(archive_, path_, entry);
        read_shapes(slide, out);
        for (const std::string& diagram : parts_of(parts, "diagramData")) {
            S3ATTN_CHECK(read_paragraphs(diagram, {}, out));
        }
        for (const std::string& chart : parts_of(parts, "chart")) {
            ++charts_;
            S3ATTN_CHECK(read_paragraphs(chart, {}, out));
        }
        for (const std::string& notes : parts_of(parts, "notesSlide")) {
            pugi::xml_document page;
            S3ATTN_CHECK(parse_entry(archive_, path_, notes, page));
            drop_fallbacks(page.document_element());
            read_notes(page.document_element(), out);
        }
        for (const std::string& comments : parts_of(parts, "comments")) {
            S3ATTN_CHECK(read_comments(comments, out));
        }
        pictures_ += parts_of(parts, "image").size();
        objects_ += parts_of(parts, "package").size() + parts_of(parts, "oleObject").size();
        return {};
    }

    // Shapes in the order of the slide; a loop, for groups nest as the document likes.
    void read_shapes(const pugi::xml_node& slide, ExtractedText& out) {
        pugi::xml_node node = slide;
        while (node) {
            const std::string_view name = local_name(node);
            bool inside = true;
            if (name == "sp" || name == "cxnSp") {
                read_shape(node, out);
                inside = false;
            } else if (name == "tbl") {
                read_table(node, out);
                inside = false;
            } else if (name == "pic") {
                const auto properties = elements_named(node, "cNvPr");
                if (!properties.empty()) add(attribute_named(properties[0], "descr"), {}, out);
                inside = false;
            }
            if (inside && node.first_child()) {
                node = node.first_child();
                continue;
            }
            while (node != slide && !node.next_sibling()) node = node.parent();
            if (node == slide) return;
            node = node.next_sibling();
        }
    }

    // What a placeholder is for: "title", "body", "sldNum"; "" where it is none.
    static std::string placeholder(const pugi::xml_node& shape) {
        const pugi::xml_node properties = child_named(child_named(shape, "nvSpPr"), "nvPr");
        const pugi::xml_node place = child_named(properties, "ph");
        if (!place) return {};
        const std::string type = attribute_named(place, "type");
        return type.empty() ? "body" : type;
    }

    void read_shape(const pugi::xml_node& shape, ExtractedText& out) const {
        const std::string place = placeholder(shape);
        if (place == "sldNum") return;  // the page's number, which citations name
        ExtractedText::Kind kind;
        kind.heading = place == "title" || place == "ctrTitle";
        kind.level = kind.heading ? 1 : 0;
        std::string title;
        for (const std::string& paragraph : drawing_paragraphs(shape)) {
            if (kind.heading) {
                title += (title.empty() ? "" : " ") + paragraph;
                continue;
            }
            add(paragraph, kind, out);
            kind.tight = true;
        }
        add(title, kind, out);
    }

    void read_table(const pugi::xml_node& table, ExtractedText& out) const {
        TableText rows;
        for (const pugi::xml_node& row : table.children()) {
            if (local_name(row) != "tr") continue;
            std::vector<std::string> cells;
            for (const pugi::xml_node& cell : row.children()) {
                if (local_name(cell) != "tc") continue;
                std::string text;
                for (const std::string& paragraph : drawing_paragraphs(cell)) {
                    text += (text.empty() ? "" : " ") + paragraph;
                }
                cells.push_back(std::move(text));
            }
            rows.add_row(cells, page_);
            const pugi::xml_node properties = child_named(table, "tblPr");
            if (rows.size() > 0 && attribute_named(properties, "firstRow") == "1" && !headed(row)) {
                rows.mark_header();
            }
        }
        rows.finish(out);
    }

    // Whether a row stands in front of this one.
    static bool headed(const pugi::xml_node& row) {
        for (pugi::xml_node other = row.previous_sibling(); other;
             other = other.previous_sibling()) {
            if (local_name(other) == "tr") return true;
        }
        return false;
    }

    void read_notes(const pugi::xml_node& page, ExtractedText& out) const {
        ExtractedText::Kind kind;
        for (const pugi::xml_node& shape : elements_named(page, "sp")) {
            const std::string place = placeholder(shape);
            // A small picture of the slide, its number, the date.
            if (!place.empty() && place != "body") continue;
            for (const std::string& paragraph : drawing_paragraphs(shape)) {
                add((kind.tight ? "" : "Notes: ") + paragraph, kind, out);
                kind.tight = true;
            }
        }
    }

    Status read_paragraphs(const std::string& entry, ExtractedText::Kind kind, ExtractedText& out) {
        pugi::xml_document document;
        S3ATTN_CHECK(parse_entry(archive_, path_, entry, document));
        for (const std::string& paragraph : drawing_paragraphs(document.document_element())) {
            add(paragraph, kind, out);
            kind.tight = true;
        }
        return {};
    }

    Status read_comments(const std::string& entry, ExtractedText& out) {
        pugi::xml_document document;
        S3ATTN_CHECK(parse_entry(archive_, path_, entry, document));
        for (const pugi::xml_node& comment : document.document_element().children()) {
            const std::string& author = authors_[attribute_named(comment, "authorId")];
            std::string text = child_named(comment, "text").text().get();
            for (const std::string& paragraph : drawing_paragraphs(comment)) {
                text += (text.empty() ? "" : "\n") + paragraph;
            }
            if (trim(text).empty()) continue;
            add((author.empty() ? "Comment: " : "Comment by " + author + ": ") + text, {}, out);
        }
        return {};
    }

    void tell() {
        const auto say = [this](ReadNote::Kind kind, uint64_t count, const std::string& what) {
            if (count > 0) add_note(notes_, {kind, {}, count, what + ": " + std::to_string(count)});
        };
        say(ReadNote::Kind::kLeftOut, charts_, "charts, of which only the titles are read");
        say(ReadNote::Kind::kLeftOut, pictures_,
            "pictures, of which only the descriptions are read");
        say(ReadNote::Kind::kUnread, objects_,
            "embedded objects of other programs, not read (index their files by themselves)");
    }

    ZipArchive& archive_;
    const std::string& path_;
    std::vector<ReadNote>& notes_;
    Relations relations_;  // of the presentation
    std::map<std::string, std::string> authors_;
    uint32_t page_ = 0;
    uint64_t charts_ = 0, pictures_ = 0, objects_ = 0;
};

}  // namespace

OpenResult open_pptx(OpenRequest request) {
    S3ATTN_TRY(const std::unique_ptr<ZipArchive> archive, open_office(request, "PPTX"));
    ExtractedText text;
    S3ATTN_CHECK(PptxReader(*archive, request.header.path, request.header.notes).read(text));
    return text.finish(std::move(request), Place::kMapPages);
}

}  // namespace s3attn::text
