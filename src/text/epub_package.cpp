#include "text/epub_package.h"

#include <algorithm>
#include <unordered_map>

#include "text/detect.h"
#include "text/document_info.h"
#include "text/xml_parts.h"

namespace s3attn::text {
namespace {

struct Item {
    std::string entry, media_type, fallback;
    bool navigation = false;
};

bool is_chapter_name(const std::string& entry) {
    const std::string extension = extension_of(entry);
    return extension == "xhtml" || extension == "html" || extension == "htm" || extension == "xht";
}

bool is_chapter_type(std::string_view type) {
    return type == "application/xhtml+xml" || type == "text/html" ||
           type == "application/x-dtbook+xml" || type == "text/x-oeb1-document";
}

bool is_markup(const Item& item) {
    return is_chapter_type(item.media_type) || is_chapter_name(item.entry);
}

class PackageReader {
  public:
    PackageReader(ZipArchive& archive, DocumentHeader& header)
        : archive_(archive), path_(header.path), notes_(header.notes), header_(header) {}

    Status read(const std::string& package, std::vector<Chapter>& chapters) {
        pugi::xml_document document;
        S3ATTN_CHECK(parse_entry(archive_, path_, package, document));
        read_properties(child_named(document.document_element(), "metadata"), header_);
        read_manifest(document, folder_of(package));
        for (const pugi::xml_node& reference : elements_named(document, "itemref")) {
            add_reference(reference.attribute("idref").value(), package, chapters);
        }
        if (chapters.empty()) {
            return entry_error(path_, package, "its spine names no readable document");
        }
        add_unordered(chapters);
        name_strays();
        return {};
    }

  private:
    void read_manifest(const pugi::xml_document& document, const std::string& folder) {
        for (const pugi::xml_node& node : elements_named(document, "item")) {
            const std::string id = node.attribute("id").value();
            const std::string href = node.attribute("href").value();
            if (href.find("://") != href.npos) {
                add_note(notes_, {ReadNote::Kind::kUnread, href, 1,
                                  "stands outside the file and is not read"});
                continue;
            }
            Item item;
            item.entry = resolve_entry(folder, href);
            item.media_type = node.attribute("media-type").value();
            item.fallback = node.attribute("fallback").value();
            const std::string properties = node.attribute("properties").value();
            item.navigation = (" " + properties + " ").find(" nav ") != std::string::npos;
            if (items_.emplace(id, item).second) order_.push_back(id);
        }
    }

    void add_reference(const std::string& id, const std::string& package,
                       std::vector<Chapter>& chapters) {
        auto found = items_.find(id);
        if (found == items_.end()) {
            add_note(notes_, {ReadNote::Kind::kUnread, package, 1,
                              "the chapter '" + id + "' is in the reading order and nowhere else"});
            return;
        }
        // What is no text may name a text that stands for it.
        for (int steps = 0; !is_markup(found->second) && steps < 8; ++steps) {
            const auto next = items_.find(found->second.fallback);
            if (next == items_.end()) break;
            found = next;
        }
        add(found->second, chapters);
    }

    void add(const Item& item, std::vector<Chapter>& chapters) {
        Chapter chapter{item.entry, item.media_type, true};
        const std::string spelled = archive_.find(item.entry);
        chapter.present = !spelled.empty();
        if (chapter.present) chapter.entry = spelled;
        if (seen_.insert(chapter.entry).second) chapters.push_back(chapter);
    }

    // Notes and appendices are often left out of the reading order, and are read all the same.
    void add_unordered(std::vector<Chapter>& chapters) {
        for (const std::string& id : order_) {
            const Item& item = items_.at(id);
            if (!is_markup(item) || seen_.contains(archive_.find(item.entry))) continue;
            if (!item.navigation) {
                add(item, chapters);
                continue;
            }
            seen_.insert(archive_.find(item.entry));
            add_note(notes_, {ReadNote::Kind::kLeftOut, item.entry, 1,
                              "the table of contents, which repeats the chapters' titles"});
        }
    }

    void name_strays() {
        for (const std::string& entry : archive_.names()) {
            if (!is_chapter_name(entry) || seen_.contains(entry)) continue;
            add_note(notes_, {ReadNote::Kind::kLeftOut, entry, 1,
                              "is in the archive, but not one of the book's parts"});
        }
    }

    ZipArchive& archive_;
    const std::string& path_;
    std::vector<ReadNote>& notes_;
    DocumentHeader& header_;
    std::unordered_map<std::string, Item> items_;  // by id
    std::vector<std::string> order_;               // ids, as the manifest has them
    std::set<std::string> seen_;                   // entries
};

// The package document: as the container names it, or the only one there is.
Result<std::string> find_package(ZipArchive& archive, const std::string& path) {
    const std::string container = "META-INF/container.xml";
    pugi::xml_document document;
    const Status parsed = parse_entry(archive, path, container, document);
    if (parsed.ok()) {
        for (const pugi::xml_node& root : elements_named(document, "rootfile")) {
            const std::string package =
                archive.find(resolve_entry("", root.attribute("full-path").value()));
            if (!package.empty()) return package;
        }
    }
    for (const std::string& entry : archive.names()) {
        if (extension_of(entry) == "opf") return entry;
    }
    if (!parsed.ok()) return parsed.error();
    const auto roots = elements_named(document, "rootfile");
    const std::string named = roots.empty() ? "" : roots[0].attribute("full-path").value();
    if (named.empty()) return entry_error(path, container, "names no package document");
    return entry_error(path, named, "missing in the archive");
}

}  // namespace

Result<std::vector<Chapter>> find_chapters(ZipArchive& archive, DocumentHeader& header) {
    const std::string& path = header.path;
    std::vector<Chapter> chapters;
    const Result<std::string> package = find_package(archive, path);
    const Status read = package.ok() ? PackageReader(archive, header).read(*package, chapters)
                                     : Status(package.error());
    if (read.ok()) return chapters;
    chapters.clear();
    std::vector<std::string> names = archive.names();
    std::sort(names.begin(), names.end());
    for (const std::string& entry : names) {
        if (is_chapter_name(entry)) chapters.push_back({entry, {}, true});
    }
    if (chapters.empty()) return read.error();
    add_note(header.notes,
             {ReadNote::Kind::kUnread,
              {},
              1,
              "its list of chapters cannot be read, so they follow in the order of their "
              "names (" +
                  without_place(read.error(), path, {}) + ")"});
    return chapters;
}

std::set<std::string> encrypted_entries(ZipArchive& archive, const std::string& path,
                                        std::vector<ReadNote>& notes) {
    std::set<std::string> encrypted;
    const std::string entry = archive.find("META-INF/encryption.xml");
    if (entry.empty()) return encrypted;
    pugi::xml_document document;
    if (const Status parsed = parse_entry(archive, path, entry, document); !parsed.ok()) {
        add_note(notes,
                 {ReadNote::Kind::kUnread, entry, 1, without_place(parsed.error(), path, entry)});
        return encrypted;
    }
    for (const pugi::xml_node& reference : elements_named(document, "CipherReference")) {
        encrypted.insert(archive.find(resolve_entry("", reference.attribute("URI").value())));
    }
    return encrypted;
}

}  // namespace s3attn::text
