#include <map>
#include <pugixml.hpp>
#include <set>
#include <string_view>
#include <vector>

#include "text/encoding.h"
#include "text/extracted_text.h"
#include "text/html.h"
#include "text/zip_archive.h"

namespace s3attn::text {
namespace {

std::string_view local_name(const pugi::xml_node& node) {
    const std::string_view name = node.name();
    const size_t colon = name.find(':');
    return colon == name.npos ? name : name.substr(colon + 1);
}

// All elements below `root` with this local name, in document order.
std::vector<pugi::xml_node> elements_named(const pugi::xml_node& root, std::string_view name) {
    struct Collector : pugi::xml_tree_walker {
        std::string_view wanted;
        std::vector<pugi::xml_node> found;
        bool for_each(pugi::xml_node& node) override {
            if (local_name(node) == wanted) found.push_back(node);
            return true;
        }
    } collector;
    collector.wanted = name;
    pugi::xml_node start = root;
    start.traverse(collector);
    return std::move(collector.found);
}

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::string percent_decoded(std::string_view url) {
    std::string decoded;
    for (size_t i = 0; i < url.size(); ++i) {
        if (url[i] == '%' && i + 2 < url.size() && hex_value(url[i + 1]) >= 0 &&
            hex_value(url[i + 2]) >= 0) {
            decoded += static_cast<char>(hex_value(url[i + 1]) * 16 + hex_value(url[i + 2]));
            i += 2;
        } else {
            decoded += url[i];
        }
    }
    return decoded;
}

// `href` as an entry name: relative to `folder`, without fragment, "." and "..".
std::string resolve(const std::string& folder, std::string_view href) {
    href = href.substr(0, href.find('#'));
    const std::string decoded = percent_decoded(href);
    const std::string joined = decoded.starts_with('/') ? decoded.substr(1) : folder + decoded;
    std::vector<std::string> parts;
    size_t begin = 0;
    while (begin <= joined.size()) {
        const size_t end = std::min(joined.find('/', begin), joined.size());
        const std::string part = joined.substr(begin, end - begin);
        if (part == "..") {
            if (!parts.empty()) parts.pop_back();
        } else if (!part.empty() && part != ".") {
            parts.push_back(part);
        }
        begin = end + 1;
    }
    std::string entry;
    for (const std::string& part : parts) entry += (entry.empty() ? "" : "/") + part;
    return entry;
}

Status parse_entry(ZipArchive& archive, const std::string& path, const std::string& entry,
                   pugi::xml_document& document) {
    S3ATTN_TRY(const std::string xml, archive.read(entry));
    const pugi::xml_parse_result parsed = document.load_buffer(xml.data(), xml.size());
    if (parsed) return {};
    return entry_error(path, entry,
                       "not well-formed XML at byte " + std::to_string(parsed.offset) + " (" +
                           parsed.description() + ")");
}

// The (X)HTML entries in reading order.
Result<std::vector<std::string>> reading_order(ZipArchive& archive, const std::string& path) {
    const std::string container = "META-INF/container.xml";
    pugi::xml_document document;
    S3ATTN_CHECK(parse_entry(archive, path, container, document));
    const auto roots = elements_named(document, "rootfile");
    const std::string package = roots.empty() ? "" : roots[0].attribute("full-path").value();
    if (package.empty()) return entry_error(path, container, "names no package document");
    S3ATTN_CHECK(parse_entry(archive, path, package, document));
    const size_t slash = package.rfind('/');
    const std::string folder = slash == package.npos ? "" : package.substr(0, slash + 1);
    std::map<std::string, std::string> manifest;  // id -> entry, of what can be read
    for (const pugi::xml_node& item : elements_named(document, "item")) {
        const std::string_view type = item.attribute("media-type").value();
        if (type != "application/xhtml+xml" && type != "text/html") continue;
        manifest[item.attribute("id").value()] = resolve(folder, item.attribute("href").value());
    }
    std::vector<std::string> order;
    for (const pugi::xml_node& reference : elements_named(document, "itemref")) {
        const auto item = manifest.find(reference.attribute("idref").value());
        if (item != manifest.end()) order.push_back(item->second);
    }
    if (order.empty()) return entry_error(path, package, "its spine names no readable document");
    return order;
}

// Encrypted fonts are common and harmless; encrypted text is a copy protection.
Status refuse_protected(ZipArchive& archive, const std::string& path,
                        const std::vector<std::string>& order) {
    const std::string entry = "META-INF/encryption.xml";
    if (!archive.contains(entry)) return {};
    pugi::xml_document document;
    S3ATTN_CHECK(parse_entry(archive, path, entry, document));
    const std::set<std::string> texts(order.begin(), order.end());
    for (const pugi::xml_node& reference : elements_named(document, "CipherReference")) {
        if (texts.contains(resolve("", reference.attribute("URI").value()))) {
            return make_error(ErrorCode::kUnsupported,
                              path +
                                  " is an EPUB with copy protection (DRM); its text cannot be "
                                  "read without the key");
        }
    }
    return {};
}

// The entry as UTF-8: XHTML is UTF-8 or says otherwise.
Result<std::string> decoded_entry(const std::string& bytes) {
    std::string_view content = bytes;
    std::string converter;
    if (content.starts_with("\xEF\xBB\xBF")) {
        content.remove_prefix(3);
    } else if (content.starts_with("\xFF\xFE") || content.starts_with("\xFE\xFF")) {
        converter = content.starts_with("\xFF\xFE") ? "UTF-16LE" : "UTF-16BE";
        content.remove_prefix(2);
    } else {
        converter = declared_charset(content);
        if (converter == "utf-8" || converter == "utf8") converter.clear();
    }
    TextEncoding encoding;
    encoding.converter = converter;
    S3ATTN_TRY(const std::unique_ptr<Decoder> decoder, make_decoder(encoding));
    std::string text;
    decoder->decode(content, true, text, nullptr);
    return text;
}

}  // namespace

OpenResult open_epub(OpenRequest request) {
    const std::string path = request.header.path;
    auto opened = ZipArchive::open(*request.source, request.options.max_parse_bytes);
    if (!opened.ok()) return entry_error(path, "EPUB", opened.error().message);
    ZipArchive& archive = **opened;
    S3ATTN_TRY(const std::vector<std::string> order, reading_order(archive, path));
    S3ATTN_CHECK(refuse_protected(archive, path, order));
    HtmlOptions options;
    options.with_title = false;  // each chapter repeats it
    options.with_lines = false;
    ExtractedText text;
    std::set<std::string> seen;
    for (const std::string& entry : order) {
        if (!seen.insert(entry).second) continue;
        S3ATTN_TRY(const std::string bytes, archive.read(entry));
        Result<std::string> xhtml = decoded_entry(bytes);
        if (!xhtml.ok()) return entry_error(path, entry, xhtml.error().message);
        text.begin_chapter();
        S3ATTN_CHECK(
            extract_html(close_empty_elements(*xhtml), path + ": " + entry, options, text));
    }
    request.header.encoding = "UTF-8";
    return text.finish(std::move(request), Place::kCountLines);
}

}  // namespace s3attn::text
