#include <algorithm>
#include <map>
#include <set>

#include "text/detect.h"
#include "text/docx_walker.h"
#include "text/office_package.h"
#include "text/xhtml.h"
#include "text/xml_parts.h"

namespace s3attn::text {
namespace {

class DocxReader {
  public:
    DocxReader(ZipArchive& archive, const std::string& path, std::vector<ReadNote>& notes)
        : archive_(archive), path_(path), notes_(notes) {}

    Status read(ExtractedText& out) {
        main_ = main_part(archive_, path_, "word/document.xml");
        relations_ = relations_of(archive_, path_, main_);
        prepare_styles();
        S3ATTN_TRY(const std::string headers, distinct_texts("header"));
        out.add(headers, {false, true, false});
        state_.styles.restart();
        S3ATTN_CHECK(add_part(main_, out));
        state_.styles.restart();
        for (const char* type : {"footnotes", "endnotes", "comments", "diagramData", "chart"}) {
            for (const std::string& entry : parts_of(type)) S3ATTN_CHECK(add_or_note(entry, out));
        }
        for (const std::string& id : state_.chunks) S3ATTN_CHECK(add_chunk(id, out));
        S3ATTN_TRY(const std::string footers, distinct_texts("footer"));
        out.add(footers, {false, true, false});
        tell();
        return {};
    }

  private:
    // The parts of a type, as the body's relationships name them, else by their usual names.
    std::vector<std::string> parts_of(const std::string& type) {
        std::set<std::string> parts;
        for (const auto& [id, relation] : relations_) {
            if (relation.type == type && !relation.external) parts.insert(relation.entry);
        }
        const std::string begin = folder_of(main_) + type;
        for (const std::string& entry : archive_.names()) {
            if (!entry.starts_with(begin) || !entry.ends_with(".xml")) continue;
            const std::string rest = entry.substr(begin.size(), entry.size() - begin.size() - 4);
            if (rest.find_first_not_of("0123456789") == rest.npos) parts.insert(entry);
        }
        return {parts.begin(), parts.end()};
    }

    void prepare_styles() {
        for (const char* type : {"styles", "numbering"}) {
            for (const std::string& entry : parts_of(type)) {
                pugi::xml_document document;
                const Status parsed = parse_entry(archive_, path_, entry, document);
                if (!parsed.ok()) {
                    unread(entry, parsed.error(), "; clause numbers and headings may be missing");
                } else if (std::string_view(type) == "styles") {
                    state_.styles.read_styles(document.document_element());
                } else {
                    state_.styles.read_numbering(document.document_element());
                }
            }
        }
    }

    void unread(const std::string& entry, const Error& error, const std::string& consequence = {}) {
        add_note(notes_, {ReadNote::Kind::kUnread, entry, 1,
                          without_place(error, path_, entry) + consequence});
    }

    Status add_part(const std::string& entry, ExtractedText& out) {
        pugi::xml_document document;
        S3ATTN_CHECK(parse_entry(archive_, path_, entry, document));
        DocxWalker(state_, out).walk(document.document_element());
        return {};
    }

    // Parts beside the body: without one the others are still worth reading.
    Status add_or_note(const std::string& entry, ExtractedText& out) {
        const Status added = add_part(entry, out);
        if (added.ok()) return {};
        if (archive_.exhausted()) return added;
        unread(entry, added.error());
        return {};
    }

    // Headers of first, even and other pages mostly repeat each other.
    Result<std::string> distinct_texts(const std::string& type) {
        std::set<std::string> seen;
        std::string all;
        for (const std::string& entry : parts_of(type)) {
            ExtractedText one;
            S3ATTN_CHECK(add_or_note(entry, one));
            if (one.text().empty() || !seen.insert(one.text()).second) continue;
            all += (all.empty() ? "" : "\n") + one.text();
        }
        return all;
    }

    // A document inserted whole, which Word reads when it opens the file.
    Status add_chunk(const std::string& id, ExtractedText& out) {
        const std::string entry = relations_[id].entry;
        const std::string extension = extension_of(entry);
        const bool html = extension == "html" || extension == "htm" || extension == "xhtml";
        if (!html && extension != "txt") {
            add_note(notes_, {ReadNote::Kind::kUnread, entry, 1,
                              "a document inserted in this one; save the file anew with Word, "
                              "which makes it part of the text"});
            return {};
        }
        const Result<std::string> bytes = archive_.read(entry);
        if (!bytes.ok()) {
            if (archive_.exhausted()) return bytes.error();
            unread(entry, bytes.error());
            return {};
        }
        std::string text;
        make_utf8_decoder()->decode(*bytes, true, text, nullptr);
        if (!html) {
            out.add(text, {});
            return {};
        }
        return extract_markup(text, markup_of(text, extension == "xhtml"), path_ + ": " + entry,
                              {false, false}, out, notes_);
    }

    void tell() {
        const auto say = [this](ReadNote::Kind kind, uint64_t count, const std::string& what) {
            if (count > 0) add_note(notes_, {kind, {}, count, what + ": " + std::to_string(count)});
        };
        say(ReadNote::Kind::kLeftOut, state_.deletions, "tracked deletions, left out");
        say(ReadNote::Kind::kLeftOut, parts_of("chart").size(),
            "charts, of which only the titles are read");
        say(ReadNote::Kind::kUnread, state_.objects,
            "embedded objects of other programs, not read (index their files by themselves)");
        say(ReadNote::Kind::kConverted, state_.symbols,
            "signs of fonts whose characters are not known, read as U+FFFD");
    }

    ZipArchive& archive_;
    const std::string& path_;
    std::vector<ReadNote>& notes_;
    DocxState state_;
    std::string main_;
    std::map<std::string, Relation> relations_;  // of the main part
};

}  // namespace

OpenResult open_docx(OpenRequest request) {
    const std::string path = request.header.path;
    S3ATTN_TRY(const std::unique_ptr<ZipArchive> archive, open_office(request, "DOCX"));
    ExtractedText text;
    S3ATTN_CHECK(DocxReader(*archive, path, request.header.notes).read(text));
    return text.finish(std::move(request), Place::kCountLines);
}

}  // namespace s3attn::text
