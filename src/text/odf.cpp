// OpenDocument: texts (ODT), sheets (ODS) and slides (ODP), also as one XML file (FODT, FODS,
// FODP).
#include <set>

#include "text/detect.h"
#include "text/formats.h"
#include "text/odf_walker.h"
#include "text/office_package.h"

namespace s3attn::text {
namespace {

class OdfReader {
  public:
    OdfReader(ZipArchive* archive, OpenRequest& request)
        : archive_(archive),
          path_(request.header.path),
          notes_(request.header.notes),
          most_(request.options.max_parse_bytes) {}

    Status read(const pugi::xml_node& content, const pugi::xml_node& styles, ExtractedText& out) {
        styles_.read(styles);
        if (content != styles) styles_.read(content);
        const pugi::xml_node body = child_named(content, "body");
        kind_ = child_named(body, "spreadsheet")    ? OdfWalker::Kind::kSheets
                : child_named(body, "presentation") ? OdfWalker::Kind::kSlides
                                                    : OdfWalker::Kind::kText;
        // Sheets print their names, and slides hold fields there; texts what their author wrote.
        const bool edges = kind_ == OdfWalker::Kind::kText;
        if (edges) out.add(edge(styles, "header"), {false, true});
        S3ATTN_CHECK(walk(body, out));
        if (edges) out.add(edge(styles, "footer"), {false, true});
        tell();
        return {};
    }

    Place place() const {
        return kind_ == OdfWalker::Kind::kSheets   ? Place::kMapLines
               : kind_ == OdfWalker::Kind::kSlides ? Place::kMapPages
                                                   : Place::kCountLines;
    }

  private:
    Status walk(const pugi::xml_node& node, ExtractedText& out) {
        const auto embedded = [this](const std::string& name) { return object_text(name); };
        const Status walked = OdfWalker(kind_, styles_, counts_, embedded, out).walk(node, most_);
        if (walked.ok()) return {};
        return make_error(walked.error().code, path_ + " " + walked.error().message);
    }

    // Headers or footers of all kinds of pages, each text once.
    std::string edge(const pugi::xml_node& styles, const std::string& which) {
        std::set<std::string> seen;
        std::string all;
        for (const pugi::xml_node& page : elements_named(styles, "master-page")) {
            for (const pugi::xml_node& part : page.children()) {
                if (!local_name(part).starts_with(which)) continue;
                ExtractedText one;
                if (!walk(part, one).ok() || one.text().empty()) continue;
                if (seen.insert(one.text()).second) all += (all.empty() ? "" : "\n") + one.text();
            }
        }
        return all;
    }

    // A formula as it was typed, the titles of a chart; "" for what cannot be read.
    std::string object_text(const std::string& name) {
        pugi::xml_document document;
        const std::string entry = name + "/content.xml";
        if (archive_ == nullptr || archive_->find(entry).empty() ||
            !parse_entry(*archive_, path_, archive_->find(entry), document).ok()) {
            ++counts_.objects;
            return {};
        }
        std::string text;
        const pugi::xml_node root = document.document_element();
        if (local_name(root) == "math") {
            for (const pugi::xml_node& formula : elements_named(root, "annotation")) {
                text += formula.text().get();
            }
            return text;
        }
        const auto charts = elements_named(root, "chart");
        if (charts.empty()) {
            ++counts_.objects;
            return {};
        }
        ++counts_.charts;
        for (const char* part : {"title", "subtitle"}) {
            for (const pugi::xml_node& title : elements_named(root, part)) {
                for (const pugi::xml_node& p : elements_named(title, "p")) {
                    text += (text.empty() ? "" : " ") + std::string(p.text().get());
                }
            }
        }
        return text;
    }

    void tell() {
        const auto say = [this](ReadNote::Kind kind, uint64_t count, const std::string& what) {
            if (count > 0) add_note(notes_, {kind, {}, count, what + ": " + std::to_string(count)});
        };
        say(ReadNote::Kind::kLeftOut, counts_.deletions, "tracked deletions, left out");
        say(ReadNote::Kind::kLeftOut, counts_.charts, "charts, of which only the titles are read");
        say(ReadNote::Kind::kLeftOut, counts_.pictures,
            "pictures, of which only the descriptions are read");
        say(ReadNote::Kind::kLeftOut, counts_.repeated,
            "further copies of repeated rows and cells, left out");
        say(ReadNote::Kind::kUnread, counts_.objects,
            "embedded objects of other programs, not read (index their files by themselves)");
    }

    ZipArchive* archive_;  // null: one XML file
    const std::string& path_;
    std::vector<ReadNote>& notes_;
    uint64_t most_;
    OdfStyles styles_;
    OdfCounts counts_;
    OdfWalker::Kind kind_ = OdfWalker::Kind::kText;
};

OpenResult open_flat(OpenRequest request) {
    S3ATTN_TRY(const std::string xml, request.source->read_all(request.options.max_parse_bytes));
    pugi::xml_document document;
    const pugi::xml_parse_result parsed =
        document.load_buffer(xml.data(), xml.size(), pugi::parse_default | pugi::parse_ws_pcdata);
    if (!parsed) {
        return make_error(ErrorCode::kCorrupt,
                          request.header.path + " is no well-formed XML at byte " +
                              std::to_string(parsed.offset) + " (" + parsed.description() +
                              "); copy the file again or save it anew");
    }
    request.header.encoding = "UTF-8";
    ExtractedText text;
    OdfReader reader(nullptr, request);
    const pugi::xml_node root = document.document_element();
    S3ATTN_CHECK(reader.read(root, root, text));
    return text.finish(std::move(request), reader.place());
}

}  // namespace

OpenResult open_odf(OpenRequest request) {
    char head[2] = {};
    S3ATTN_TRY(const size_t got, request.source->read_at(0, head, sizeof head));
    if (std::string_view(head, got) != "PK") return open_flat(std::move(request));
    S3ATTN_TRY(const std::unique_ptr<ZipArchive> archive, open_office(request, "OpenDocument"));
    const std::string& path = request.header.path;
    const std::string manifest = archive->find("META-INF/manifest.xml");
    pugi::xml_document parts, content, styles;
    if (!manifest.empty() && parse_entry(*archive, path, manifest, parts).ok() &&
        !elements_named(parts.document_element(), "encryption-data").empty()) {
        return make_error(ErrorCode::kUnsupported,
                          path + " is protected by a password; save it without one");
    }
    S3ATTN_CHECK(parse_entry(*archive, path, "content.xml", content));
    if (const std::string entry = archive->find("styles.xml"); !entry.empty()) {
        const Status parsed = parse_entry(*archive, path, entry, styles);
        if (!parsed.ok()) {
            add_note(request.header.notes, {ReadNote::Kind::kUnread, entry, 1,
                                            without_place(parsed.error(), path, entry) +
                                                "; headers, footers and numbers may be missing"});
        }
    }
    ExtractedText text;
    OdfReader reader(archive.get(), request);
    S3ATTN_CHECK(reader.read(content.document_element(), styles.document_element(), text));
    return text.finish(std::move(request), reader.place());
}

}  // namespace s3attn::text
