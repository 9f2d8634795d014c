// The text of HTML and XHTML, as a parser's events come: what is kept, what stands apart, what
// becomes a block. docs/documents.md has the rules in words.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/extracted_text.h"
#include "text/script_marks.h"

namespace s3attn::text {

// What an element does to the text; an element may do several of these.
enum ElementFlags : uint32_t {
    kBlock = 1u << 0,  // a paragraph of its own
    kTight = 1u << 1,  // ... with only a line end in front
    kHeading = 1u << 2,
    kNoContent = 1u << 3,   // script, style, template
    kKeepsSpace = 1u << 4,  // pre
    kTable = 1u << 5,
    kRow = 1u << 6,
    kCell = 1u << 7,
    kCaption = 1u << 8,
    kLineBreak = 1u << 9,
    kApart = 1u << 10,  // inline, but shown apart from its neighbours: a button, an image
    kSuperscript = 1u << 11,
    kSubscript = 1u << 12,
    kStruck = 1u << 13,  // del, s
    kQuote = 1u << 14,   // q
    kRubyText = 1u << 15,
    kRubyParenthesis = 1u << 16,  // written for programs that know no ruby
    kHead = 1u << 17,
    kTitle = 1u << 18,
    kNoteLink = 1u << 19,       // links to a place in a document, as notes do
    kNoteReference = 1u << 20,  // says itself that it refers to a note
    kRawText = 1u << 21,        // holds HTML that the HTML parser leaves alone: iframe, noembed
    kNumbered = 1u << 22,       // ol
    kItem = 1u << 23,           // li
    kMath = 1u << 25,
    kFormula = 1u << 24,  // MathML whose second child is an exponent, an index or a divisor
};

struct Element {
    std::string name;  // lower case, without prefix
    uint32_t flags = 0;
    std::string inner;              // text that stands in an attribute: alt, the label of a group
    std::string inner_html;         // srcdoc
    std::optional<int64_t> number;  // start of a list, value of an item
    char number_style = '1';        // '1', 'a', 'A', 'i', 'I'; 0: no numbers are shown
    uint8_t level = 0;              // of a heading
    bool data_table = false;        // with kTable: of data, not for layout
    std::string meta_name, meta_content;  // of a <meta>
};

// The value of an attribute; empty where it is absent.
using AttributeGetter = std::function<std::string_view(const char* name)>;
// `name` in any case and with any prefix; `foreign`: inside svg or math.
Element make_element(std::string_view name, bool foreign, const AttributeGetter& attribute);
// Whether a table that holds an element of these flags is one for layout: its cells are blocks.
bool means_layout(uint32_t flags);

// "3", "iii", "C" ...
std::string list_number(int64_t number, char style);
// The sign of a list whose file gives it as `text`, mostly in a font of signs: as it stands where
// it is punctuation, else a bullet; "" where there is none.
std::string bullet_sign(std::string_view text);

struct HtmlOptions {
    bool with_title = true;  // the <title> as a first heading
    bool with_lines = true;  // record source lines
    // What a <meta> says, called as it comes; may be empty.
    std::function<void(const std::string& name, const std::string& content)> on_meta = {};
};

class MarkupText {
  public:
    MarkupText(const HtmlOptions& options, ExtractedText& out)
        : options_(options), out_(out), marks_(text_) {}

    // Calls of open and close pair up.
    void open(const Element& element, uint32_t line);
    void close();
    // Line ends in the text are those of the source.
    void text(std::string_view text, uint32_t line);
    // The last block.
    void finish() { flush(); }
    // Whether what stands here is not read.
    bool skipping() const { return skipped_ > 0; }

  private:
    struct Open {
        uint32_t flags;
        uint32_t children = 0;
        int64_t next_number = 1;  // of a list
        char number_style = 0;
        bool mark = false;         // a mark is open for it
        bool real_mark = false;    // ... and it is no kPerhapsNote
        bool formula_sub = false;  // its second child stands below, not above
    };
    bool enter_head(const Element& element);
    void open_inline(const Element& element, Open& open);
    void open_block(const Element& element, Open& open);
    void open_formula_part(Open& open);
    void close_inline(const Open& open);
    void add_part(std::string_view part);
    void append_word(std::string_view part);
    void begin_cell(const Element& element);
    void break_line();
    void end_row();
    void end_strike();
    void clamp_lines();
    void flush();

    const HtmlOptions& options_;
    ExtractedText& out_;
    std::string text_;  // of the block being built
    ScriptMarks marks_;
    LineMap lines_;
    ExtractedText::Kind kind_;
    std::vector<Open> open_;
    std::string prefix_;     // a list number that waits for its item's text
    size_t skipped_ = 0;     // open elements that are not read
    size_t head_ = 0;        // open elements from <head> on; 0: not in the head
    size_t data_table_ = 0;  // the same of a table of data
    static constexpr size_t kNone = static_cast<size_t>(-1);
    size_t note_link_ = kNone;      // where in text_ the link that is open began
    bool in_mark_ = false;          // a mark other than kPerhapsNote is open
    bool mark_above_ = false;       // the open mark is a superscript
    std::vector<size_t> row_ends_;  // of a table of data, in text_
    size_t header_rows_ = 0;
    size_t row_begin_ = 0;                               // in text_
    bool row_has_data_ = false, row_has_names_ = false;  // cells td, cells th
    int title_ = 0, keep_space_ = 0, struck_ = 0, math_ = 0;
    bool struck_written_ = false;
    bool apart_ = false;  // what follows stands apart from what is in front
};

}  // namespace s3attn::text
