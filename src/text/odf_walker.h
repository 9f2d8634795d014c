// The content of an OpenDocument file - text, sheets, slides - as text.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <pugixml.hpp>
#include <string>
#include <vector>

#include "text/odf_styles.h"
#include "text/script_marks.h"
#include "text/table_text.h"

namespace s3attn::text {

// What was met, and not read or read otherwise.
struct OdfCounts {
    uint64_t deletions = 0, pictures = 0, objects = 0, charts = 0;
    uint64_t repeated = 0;  // cells and rows that stand for more like them than are shown
};

class OdfWalker {
  public:
    enum class Kind { kText, kSheets, kSlides };
    // `embedded`: the text of an embedded object by its name.
    using Embedded = std::function<std::string(const std::string&)>;
    OdfWalker(Kind kind, OdfStyles& styles, OdfCounts& counts, Embedded embedded,
              ExtractedText& out)
        : kind_(kind),
          styles_(styles),
          counts_(counts),
          embedded_(std::move(embedded)),
          out_(out) {}

    // A loop, not recursion: nesting is the document's choice. kUnsupported above `most` bytes.
    Status walk(const pugi::xml_node& root, uint64_t most);

  private:
    struct Paragraph {
        std::string text, number;
        ScriptMarks marks{text};
        uint8_t level = 0;                // of a heading
        std::vector<std::string> styles;  // of open spans
        std::string place;
        bool struck = false;
    };
    struct List {
        std::string style;
        bool restart = false, item = false;
        int64_t start = 0;
    };

    bool enter(const pugi::xml_node& node);
    bool enter_structure(const pugi::xml_node& node, std::string_view name);
    bool enter_table(const pugi::xml_node& node, std::string_view name);
    bool enter_in_paragraph(const pugi::xml_node& node, std::string_view name);
    void enter_list(const pugi::xml_node& node, std::string_view name);
    void begin_paragraph(const pugi::xml_node& node, bool heading);
    void begin_page();
    void read_object(const pugi::xml_node& node);
    void restyle();
    void append(std::string_view text);
    void leave(const pugi::xml_node& node);
    void leave_table(const pugi::xml_node& node, std::string_view name);
    void end_row(const pugi::xml_node& row);
    void end_paragraph();
    void put(const std::string& text, ExtractedText::Kind kind);

    Kind kind_;
    OdfStyles& styles_;
    OdfCounts& counts_;
    Embedded embedded_;
    ExtractedText& out_;
    std::deque<Paragraph> open_;  // paragraphs nest through notes and text boxes
    std::vector<List> lists_;
    TableText table_;
    int tables_ = 0;  // nested how deep
    std::vector<std::string> row_;
    std::string cell_;
    uint32_t row_number_ = 0, last_row_ = 0;  // of a sheet
    bool in_title_ = false;
    std::string lead_;   // stands in front of the next paragraph
    std::string after_;  // notes met in a paragraph, to follow it
    int notes_ = 0;      // open notes and comments
    uint32_t page_ = 0;
    bool tight_ = false;
};

}  // namespace s3attn::text
