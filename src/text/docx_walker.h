// One part of a DOCX file - the body, a header, the footnotes, the comments - as text.
#pragma once

#include <deque>
#include <map>
#include <pugixml.hpp>
#include <string>
#include <vector>

#include "text/docx_styles.h"
#include "text/extracted_text.h"
#include "text/script_marks.h"

namespace s3attn::text {

// What the parts of a document share, and what was met and not read.
struct DocxState {
    DocxStyles styles;
    std::map<std::string, size_t> footnotes, endnotes;  // id -> number, in order of reference
    std::map<std::string, std::string> commented;       // id -> the text that a comment is about
    std::vector<std::string> chunks;  // relationships of whole documents inserted in the body
    uint64_t deletions = 0;           // tracked, and left out
    uint64_t objects = 0;             // embedded files of other programs
    uint64_t symbols = 0;             // of fonts without a known character
};

class DocxWalker {
  public:
    DocxWalker(DocxState& state, ExtractedText& out) : state_(state), out_(out) {}
    // A loop, not recursion: nesting is the document's choice.
    void walk(const pugi::xml_node& root);

  private:
    struct Paragraph {
        std::string text, number;
        ScriptMarks marks{text};
        std::string place;        // of the last run: "superscript", "subscript" or ""
        uint8_t heading = 0;      // as DocxStyles::heading_level
        bool struck = false;      // the last run was
        bool mark_first = false;  // nothing but a note's mark stands in it yet
        bool goes_on = false;     // its end was deleted: the next paragraph is its rest
    };

    bool enter(const pugi::xml_node& node);
    bool enter_in_paragraph(const pugi::xml_node& node, std::string_view name);
    void begin_paragraph(const pugi::xml_node& node);
    void begin_note(const pugi::xml_node& node, std::string_view name);
    void append(std::string_view text);
    void append_symbol(const pugi::xml_node& node);
    void append_ruby(const pugi::xml_node& node);
    void append_form_field(const pugi::xml_node& data);
    void append_reference(std::map<std::string, size_t>& notes, const pugi::xml_node& node,
                          bool roman);
    void place_run(const std::string& place, bool struck);
    void end_comment(const std::string& id);
    void leave(const pugi::xml_node& node);
    void end_row(const pugi::xml_node& row);
    void end_paragraph();

    DocxState& state_;
    ExtractedText& out_;
    std::deque<Paragraph> open_;  // paragraphs nest through text boxes
    std::string table_;
    std::vector<size_t> row_ends_;  // in table_
    size_t header_rows_ = 0;        // of it
    int tables_ = 0;                // nested how deep
    std::string begun_;             // of a paragraph that the next one goes on with
    std::string lead_;              // stands in front of the next paragraph: a note's number
    std::map<std::string, size_t> comments_;  // open ranges: id -> where in the paragraph's text
};

}  // namespace s3attn::text
