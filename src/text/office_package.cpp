#include "text/office_package.h"

#include "text/document_info.h"

namespace s3attn::text {

Relations relations_of(ZipArchive& archive, const std::string& path, const std::string& part) {
    Relations relations;
    const std::string folder = folder_of(part);
    const std::string entry =
        archive.find(folder + "_rels/" + part.substr(folder.size()) + ".rels");
    pugi::xml_document document;
    if (entry.empty() || !parse_entry(archive, path, entry, document).ok()) return relations;
    for (const pugi::xml_node& node : document.document_element().children()) {
        const std::string type = attribute_named(node, "Type");
        Relation relation;
        relation.type = type.substr(type.rfind('/') + 1);
        relation.external = attribute_named(node, "TargetMode") == "External";
        const std::string target = resolve_entry(folder, attribute_named(node, "Target"));
        const std::string found = archive.find(target);
        relation.entry = found.empty() ? target : found;
        relations[attribute_named(node, "Id")] = relation;
    }
    return relations;
}

std::string main_part(ZipArchive& archive, const std::string& path, const std::string& usual) {
    for (const auto& [id, relation] : relations_of(archive, path, "")) {
        if (relation.type == "officeDocument" && archive.contains(relation.entry)) {
            return relation.entry;
        }
    }
    const std::string found = archive.find(usual);
    return found.empty() ? usual : found;
}

std::vector<std::string> parts_of(const Relations& relations, std::string_view type) {
    std::vector<std::string> parts;
    for (const auto& [id, relation] : relations) {
        if (relation.type == type && !relation.external) parts.push_back(relation.entry);
    }
    return parts;
}

void drop_fallbacks(pugi::xml_node root) {
    for (pugi::xml_node& copy : elements_named(root, "Fallback")) {
        pugi::xml_node parent = copy.parent();
        if (child_named(parent, "Choice")) {
            // Emptied, not removed: one may stand inside another.
            while (copy.first_child()) copy.remove_child(copy.first_child());
        }
    }
}

std::vector<std::string> drawing_paragraphs(const pugi::xml_node& root) {
    std::vector<std::string> paragraphs;
    for (const pugi::xml_node& paragraph : elements_named(root, "p")) {
        std::string text;
        // Runs and fields hold their text in `t`; a formula's text stands deeper.
        for (const pugi::xml_node& child : paragraph.children()) {
            const std::string_view name = local_name(child);
            if (name == "br") text += '\n';
            if (name == "r" || name == "fld") {
                text += child_named(child, "t").text().get();
            } else if (name != "br" && name != "pPr" && name != "endParaRPr") {
                for (const pugi::xml_node& t : elements_named(child, "t")) text += t.text().get();
            }
        }
        if (!trim(text).empty()) paragraphs.push_back(std::move(text));
    }
    return paragraphs;
}

Result<std::unique_ptr<ZipArchive>> open_office(OpenRequest& request, const char* format) {
    auto opened = ZipArchive::open(*request.source, request.options.max_parse_bytes);
    if (!opened.ok()) return entry_error(request.header.path, format, opened.error().message);
    if (!(*opened)->damage().empty()) add_note(request.header.notes, damage_note(**opened));
    request.header.encoding = "UTF-8";
    read_office_properties(**opened, request.header);
    return opened;
}

}  // namespace s3attn::text
