// XML parts of DOCX and EPUB archives: names without their namespace prefix.
#pragma once

#include <pugixml.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "text/zip_archive.h"

namespace s3attn::text {

// The name without its prefix ("w:p" -> "p").
std::string_view local_name(const pugi::xml_node& node);
pugi::xml_node child_named(const pugi::xml_node& parent, std::string_view name);
// "" where there is none.
std::string attribute_named(const pugi::xml_node& node, std::string_view name);
// All elements below `root` with this local name, in document order.
std::vector<pugi::xml_node> elements_named(const pugi::xml_node& root, std::string_view name);

// Parses an entry of an archive; white space in it is kept.
Status parse_entry(ZipArchive& archive, const std::string& path, const std::string& entry,
                   pugi::xml_document& document);

// `href` as an entry name: relative to `folder`, without fragment, "." and "..".
std::string resolve_entry(const std::string& folder, std::string_view href);
// "a/b/" of "a/b/c.xml".
std::string folder_of(const std::string& entry);

}  // namespace s3attn::text
