#include <pugixml.hpp>
#include <string_view>
#include <vector>

#include "text/extracted_text.h"
#include "text/zip_archive.h"

namespace s3attn::text {
namespace {

// The name without its namespace prefix ("w:p" -> "p").
std::string_view local_name(const pugi::xml_node& node) {
    const std::string_view name = node.name();
    const size_t colon = name.find(':');
    return colon == name.npos ? name : name.substr(colon + 1);
}

pugi::xml_node child_named(const pugi::xml_node& parent, std::string_view name) {
    for (const pugi::xml_node& child : parent.children()) {
        if (local_name(child) == name) return child;
    }
    return {};
}

std::string attribute_named(const pugi::xml_node& node, std::string_view name) {
    for (const pugi::xml_attribute& attribute : node.attributes()) {
        const std::string_view full = attribute.name();
        const size_t colon = full.find(':');
        if (full.substr(colon == full.npos ? 0 : colon + 1) == name) return attribute.value();
    }
    return {};
}

bool is_heading_paragraph(const pugi::xml_node& paragraph) {
    const pugi::xml_node properties = child_named(paragraph, "pPr");
    const std::string style = attribute_named(child_named(properties, "pStyle"), "val");
    return style.starts_with("Heading") || style.starts_with("heading") || style == "Title" ||
           style == "Subtitle" || !child_named(properties, "outlineLvl").empty();
}

// Properties, deleted text, and the copies of a picture for older programs hold no text to read.
bool is_skipped(std::string_view name) {
    return name == "del" || name == "moveFrom" || name == "Fallback" || name == "pPr" ||
           name == "rPr" || name == "sectPr" || name == "tblPr" || name == "tblGrid" ||
           name == "instrText" || name == "delText" || name == "delInstrText";
}

class DocxWalker {
  public:
    explicit DocxWalker(ExtractedText& out) : out_(out) {}

    // A loop, not recursion: nesting is the document's choice.
    void walk(const pugi::xml_node& root) {
        pugi::xml_node node = root;
        for (;;) {
            if (enter(node) && node.first_child()) {
                node = node.first_child();
                continue;
            }
            for (;;) {
                leave(node);
                if (node == root) return;
                if (node.next_sibling()) break;
                node = node.parent();
            }
            node = node.next_sibling();
        }
    }

  private:
    struct Paragraph {
        std::string text;
        bool heading = false;
    };

    bool enter(const pugi::xml_node& node) {
        const std::string_view name = local_name(node);
        if (is_skipped(name)) return false;
        if (name == "p") {
            open_.push_back({{}, is_heading_paragraph(node)});
        } else if (name == "tbl") {
            ++tables_;
        } else if (!open_.empty()) {
            if (name == "t") {
                open_.back().text += node.text().get();
                return false;
            }
            if (name == "tab" || name == "ptab") open_.back().text += '\t';
            if (name == "br" || name == "cr") open_.back().text += '\n';
            if (name == "noBreakHyphen") open_.back().text += '-';
        }
        // Separators of the footnote area are notes too; they have a type.
        const bool note = name == "footnote" || name == "endnote";
        return !note || attribute_named(node, "type").empty() ||
               attribute_named(node, "type") == "normal";
    }

    void leave(const pugi::xml_node& node) {
        const std::string_view name = local_name(node);
        if (name == "p" && !open_.empty()) {
            const Paragraph paragraph = std::move(open_.back());
            open_.pop_back();
            if (tables_ == 0) {
                out_.add(paragraph.text, {paragraph.heading, false, false});
            } else if (!trim(paragraph.text).empty()) {
                if (!table_.empty() && table_.back() != '\n' && table_.back() != '\t') {
                    table_ += ' ';
                }
                append_collapsed(table_, trim(paragraph.text));
            }
        } else if (name == "tc") {
            table_ += '\t';
        } else if (name == "tr") {
            while (table_.ends_with('\t')) table_.pop_back();
            if (!table_.empty() && table_.back() != '\n') table_ += '\n';
        } else if (name == "tbl" && tables_ > 0 && --tables_ == 0) {
            out_.add(table_, {false, true, false});
            table_.clear();
        }
    }

    ExtractedText& out_;
    std::vector<Paragraph> open_;  // paragraphs nest through text boxes
    std::string table_;
    int tables_ = 0;  // nested how deep
};

Status add_part(ZipArchive& archive, const std::string& path, const std::string& entry,
                ExtractedText& text) {
    S3ATTN_TRY(std::string xml, archive.read(entry));
    pugi::xml_document document;
    const pugi::xml_parse_result parsed = document.load_buffer_inplace(
        xml.data(), xml.size(), pugi::parse_default | pugi::parse_ws_pcdata);
    if (!parsed) {
        return entry_error(path, entry,
                           std::string("not well-formed XML at byte ") +
                               std::to_string(parsed.offset) + " (" + parsed.description() + ")");
    }
    DocxWalker(text).walk(document.document_element());
    return {};
}

// The main part, as the package's relationships name it.
std::string main_part(ZipArchive& archive) {
    const std::string usual = "word/document.xml";
    const Result<std::string> xml = archive.read("_rels/.rels");
    pugi::xml_document document;
    if (!xml.ok() || !document.load_buffer(xml->data(), xml->size())) return usual;
    for (const pugi::xml_node& relation : document.document_element().children()) {
        if (!attribute_named(relation, "Type").ends_with("/officeDocument")) continue;
        std::string target = attribute_named(relation, "Target");
        if (target.starts_with('/')) target.erase(0, 1);
        if (archive.contains(target)) return target;
    }
    return usual;
}

}  // namespace

OpenResult open_docx(OpenRequest request) {
    const std::string path = request.header.path;
    auto opened = ZipArchive::open(*request.source, request.options.max_parse_bytes);
    if (!opened.ok()) return entry_error(path, "DOCX", opened.error().message);
    ZipArchive& archive = **opened;
    const std::string main = main_part(archive);
    ExtractedText text;
    S3ATTN_CHECK(add_part(archive, path, main, text));
    const std::string folder = main.substr(0, main.rfind('/') + 1);
    for (const char* notes : {"footnotes.xml", "endnotes.xml"}) {
        if (archive.contains(folder + notes)) {
            S3ATTN_CHECK(add_part(archive, path, folder + notes, text));
        }
    }
    request.header.encoding = "UTF-8";
    return text.finish(std::move(request), Place::kCountLines);
}

}  // namespace s3attn::text
