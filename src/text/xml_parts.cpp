#include "text/xml_parts.h"

#include <algorithm>

namespace s3attn::text {
namespace {

std::string_view without_prefix(std::string_view name) {
    const size_t colon = name.find(':');
    return colon == name.npos ? name : name.substr(colon + 1);
}

}  // namespace

std::string_view local_name(const pugi::xml_node& node) { return without_prefix(node.name()); }

pugi::xml_node child_named(const pugi::xml_node& parent, std::string_view name) {
    for (const pugi::xml_node& child : parent.children()) {
        if (local_name(child) == name) return child;
    }
    return {};
}

std::string attribute_named(const pugi::xml_node& node, std::string_view name) {
    for (const pugi::xml_attribute& attribute : node.attributes()) {
        if (without_prefix(attribute.name()) == name) return attribute.value();
    }
    return {};
}

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

Status parse_entry(ZipArchive& archive, const std::string& path, const std::string& entry,
                   pugi::xml_document& document) {
    S3ATTN_TRY(std::string xml, archive.read(entry));
    // The parser works in the bytes themselves, and owns them: no second copy while it does.
    const size_t size = xml.size();
    void* bytes = pugi::get_memory_allocation_function()(std::max<size_t>(size, 1));
    if (bytes == nullptr) return entry_error(path, entry, "is too large for the memory there is");
    std::copy(xml.begin(), xml.end(), static_cast<char*>(bytes));
    xml = {};
    const pugi::xml_parse_result parsed =
        document.load_buffer_inplace_own(bytes, size, pugi::parse_default | pugi::parse_ws_pcdata);
    if (parsed) return {};
    return entry_error(path, entry,
                       "not well-formed XML at byte " + std::to_string(parsed.offset) + " (" +
                           parsed.description() + ")");
}

std::string resolve_entry(const std::string& folder, std::string_view href) {
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

std::string folder_of(const std::string& entry) { return entry.substr(0, entry.rfind('/') + 1); }

}  // namespace s3attn::text
