#include "text/office_package.h"

#include <algorithm>
#include <cstdlib>

#include "text/document_info.h"
#include "text/markup_text.h"
#include "text/script_marks.h"

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

namespace {

// "arabicPeriod" is "1.", "romanLcParenBoth" "(i)"; a bullet where the paragraph names its sign.
class DrawingLists {
  public:
    // Of the next paragraph, with a space behind it; "" where it has none.
    std::string next(const pugi::xml_node& properties) {
        const auto level = static_cast<size_t>(
            std::clamp(std::atoi(attribute_named(properties, "lvl").c_str()), 0, 8));
        counts_.resize(level + 1);  // levels below begin anew
        if (const pugi::xml_node bullet = child_named(properties, "buChar")) {
            counts_[level] = 0;
            const std::string sign = bullet_sign(attribute_named(bullet, "char"));
            return sign.empty() ? sign : sign + " ";
        }
        const pugi::xml_node numbered = child_named(properties, "buAutoNum");
        if (!numbered) {
            counts_[level] = 0;
            return {};
        }
        const int start = std::max(std::atoi(attribute_named(numbered, "startAt").c_str()), 1);
        counts_[level] = counts_[level] == 0 ? start : counts_[level] + 1;
        const std::string type = attribute_named(numbered, "type");
        const auto is = [&](std::string_view sign) { return type.find(sign) != type.npos; };
        const char style = is("alphaLc")   ? 'a'
                           : is("alphaUc") ? 'A'
                           : is("romanLc") ? 'i'
                           : is("romanUc") ? 'I'
                                           : '1';
        const std::string number = list_number(counts_[level], style);
        if (is("ParenBoth")) return "(" + number + ") ";
        return number + (is("ParenR") ? ") " : is("Plain") ? " " : ". ");
    }

  private:
    std::vector<int64_t> counts_;  // by level; 0: none yet
};

// The text of a run; raised and lowered as in 10^6 and 1804[12].
void append_run(const pugi::xml_node& run, ScriptMarks& marks, std::string& text) {
    const std::string added = child_named(run, "t").text().get();
    const int raised =
        std::atoi(attribute_named(child_named(run, "rPr"), "baseline").c_str());  // 1/1000 %
    if (raised != 0) {
        marks.open(raised > 0 ? ScriptMarks::Kind::kSuperscript : ScriptMarks::Kind::kSubscript);
        text += added;
        marks.close();
        return;
    }
    if (space_run(added).length == 0) marks.before(added);
    text += added;
}

}  // namespace

std::vector<std::string> drawing_paragraphs(const pugi::xml_node& root) {
    std::vector<std::string> paragraphs;
    DrawingLists lists;
    for (const pugi::xml_node& paragraph : elements_named(root, "p")) {
        std::string text;
        ScriptMarks marks(text);
        // Runs and fields hold their text in `t`; a formula's text stands deeper.
        for (const pugi::xml_node& child : paragraph.children()) {
            const std::string_view name = local_name(child);
            if (name == "br") text += '\n';
            if (name == "r" || name == "fld") {
                append_run(child, marks, text);
            } else if (name != "br" && name != "pPr" && name != "endParaRPr") {
                for (const pugi::xml_node& t : elements_named(child, "t")) text += t.text().get();
            }
        }
        if (trim(text).empty()) continue;
        paragraphs.push_back(lists.next(child_named(paragraph, "pPr")) + text);
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
