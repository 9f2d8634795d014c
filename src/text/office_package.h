// What DOCX, PPTX and XLSX files share: parts that name each other by relationships.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "text/extracted_text.h"
#include "text/xml_parts.h"

namespace s3attn::text {

struct Relation {
    std::string type;  // the last word of its type: "header", "comments"
    std::string entry;
    bool external = false;
};
using Relations = std::map<std::string, Relation>;

// The relationships of a part ("": of the package), by id. None where they cannot be read.
Relations relations_of(ZipArchive& archive, const std::string& path, const std::string& part);
// The main part, as the package names it, else `usual`.
std::string main_part(ZipArchive& archive, const std::string& path, const std::string& usual);
// The parts of a type, in the order of their names.
std::vector<std::string> parts_of(const Relations& relations, std::string_view type);

// Removes the copies that a drawing holds for older programs.
void drop_fallbacks(pugi::xml_node root);
// The paragraphs of a drawing's text (a:p below `root`), one each; tables are left to the caller.
std::vector<std::string> drawing_paragraphs(const pugi::xml_node& root);

// An archive of an office format, opened; its damage is noted.
Result<std::unique_ptr<ZipArchive>> open_office(OpenRequest& request, const char* format);

}  // namespace s3attn::text
