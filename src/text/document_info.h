// What documents say about themselves: titles, dates, authors, front matter.
#pragma once

#include <pugixml.hpp>
#include <string>
#include <string_view>

#include "text/document_reader.h"
#include "text/zip_archive.h"

namespace s3attn::text {

// A date in one of the usual spellings as ISO 8601, "2021-05-03" or "2021-05-03T10:00:00"; "" for
// what is none. A time's zone is left out.
std::string iso_date(std::string_view text);

// Sets a property, unless it has one of that name: title and date to their fields, all else to
// `properties`, keys in lower case.
void set_property(DocumentHeader& header, std::string_view key, std::string_view value);

// Front matter of a text: YAML between "---" lines or TOML between "+++". Its length with the line
// end behind it; 0: there is none.
size_t read_front_matter(std::string_view text, DocumentHeader& header);

// "#+TITLE: Dues" of Org, ":Author: Ada" of reStructuredText, among a text's first lines: what stands
// between `mark` and a colon is the key.
void read_field_lines(std::string_view text, std::string_view mark, DocumentHeader& header);

// Properties as XML elements: Dublin Core, and what office formats add (their custom ones too).
void read_properties(const pugi::xml_node& root, DocumentHeader& header);
// docProps of DOCX, PPTX and XLSX; meta.xml of OpenDocument.
void read_office_properties(ZipArchive& archive, DocumentHeader& header);

}  // namespace s3attn::text
