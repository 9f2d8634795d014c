#include "text/docx_walker.h"

#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "text/markup_text.h"
#include "text/xml_parts.h"

namespace s3attn::text {
namespace {

constexpr size_t kLongestComment = 120;  // of the text that a comment is about

// Properties, field codes and deleted text hold no text to read.
bool is_skipped(const pugi::xml_node& node, std::string_view name) {
    if (name == "Fallback") {  // the copy of a picture for older programs
        for (pugi::xml_node other = node.previous_sibling(); other;
             other = other.previous_sibling()) {
            if (local_name(other) == "Choice") return true;
        }
        return false;
    }
    static constexpr std::array<std::string_view, 12> kSkipped = {
        "del",     "moveFrom",  "pPr",     "rPr",          "sectPr", "tblPr",
        "tblGrid", "instrText", "delText", "delInstrText", "sdtPr",  "sdtEndPr"};
    return std::find(kSkipped.begin(), kSkipped.end(), name) != kSkipped.end();
}

bool holds_text(const pugi::xml_node& node) {
    for (const std::string_view name : {"delText", "t"}) {
        for (const pugi::xml_node& text : elements_named(node, name)) {
            if (!trim(text.text().get()).empty()) return true;
        }
    }
    return false;
}

void append_character(std::string& text, char32_t c) {
    char bytes[4];
    int32_t length = 0;
    UBool error = false;
    U8_APPEND(bytes, length, 4, static_cast<UChar32>(c), error);
    if (!error) text.append(bytes, static_cast<size_t>(length));
}

// The characters of the fonts that documents take their signs from; 0: not known.
char32_t symbol_of(const std::string& font, uint32_t code) {
    // Greek letters stand at their Latin neighbours' places.
    static constexpr std::u32string_view kUpper = U"ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ";
    static constexpr std::u32string_view kLower = U"αβχδεφγηιϕκλμνοπθρστυϖωξψζ";
    struct Sign {
        uint32_t code;
        char32_t character;
    };
    static constexpr Sign kSymbol[] = {
        {0xA2, U'′'}, {0xA3, U'≤'}, {0xA5, U'∞'}, {0xAC, U'←'}, {0xAE, U'→'}, {0xB0, U'°'},
        {0xB1, U'±'}, {0xB2, U'″'}, {0xB3, U'≥'}, {0xB4, U'×'}, {0xB5, U'∝'}, {0xB6, U'∂'},
        {0xB7, U'•'}, {0xB8, U'÷'}, {0xB9, U'≠'}, {0xBA, U'≡'}, {0xBB, U'≈'}, {0xBC, U'…'},
        {0xC6, U'∅'}, {0xC7, U'∩'}, {0xC8, U'∪'}, {0xCC, U'⊂'}, {0xCE, U'∈'}, {0xD1, U'∇'},
        {0xD2, U'®'}, {0xD3, U'©'}, {0xD4, U'™'}, {0xD5, U'∏'}, {0xD6, U'√'}, {0xD7, U'⋅'},
        {0xD9, U'∧'}, {0xDA, U'∨'}, {0xDB, U'⇔'}, {0xDE, U'⇒'}, {0xE5, U'∑'}, {0xF2, U'∫'},
        {0x2D, U'−'}, {0x40, U'≅'}, {0x22, U'∀'}, {0x24, U'∃'}, {0xA0, U'€'}};
    static constexpr Sign kWingdings[] = {{0x6F, U'□'}, {0xA8, U'☐'}, {0xFB, U'✗'}, {0xFC, U'✓'},
                                          {0xFD, U'☒'}, {0xFE, U'☑'}, {0x6C, U'•'}, {0x6E, U'■'},
                                          {0xA7, U'•'}, {0x76, U'•'}, {0xD8, U'•'}, {0xE0, U'→'},
                                          {0x4A, U'☺'}, {0x4C, U'☹'}};
    if (code < 0xF000 || code > 0xF0FF) return code < 0xE000 || code > 0xF8FF ? code : 0;
    const uint32_t place = code - 0xF000;
    const auto find = [place](const auto& signs) -> char32_t {
        for (const Sign& sign : signs) {
            if (sign.code == place) return sign.character;
        }
        return 0;
    };
    if (font == "Symbol") {
        if (place >= 'A' && place <= 'Z') return kUpper[place - 'A'];
        if (place >= 'a' && place <= 'z') return kLower[place - 'a'];
        if (const char32_t sign = find(kSymbol); sign != 0) return sign;
    } else if (font.starts_with("Wingdings")) {
        return font == "Wingdings" ? find(kWingdings) : 0;
    }
    return place >= 0x20 && place < 0x7F ? place : 0;
}

}  // namespace

void DocxWalker::walk(const pugi::xml_node& root) {
    pugi::xml_node node = root;
    while (node) {
        if (enter(node) && node.first_child()) {
            node = node.first_child();
            continue;
        }
        for (;;) {
            leave(node);
            if (node == root) return;
            if (node.next_sibling()) break;
            node = node.parent();
        }
        node = node.next_sibling();
    }
}

bool DocxWalker::enter(const pugi::xml_node& node) {
    const std::string_view name = local_name(node);
    if (is_skipped(node, name)) {
        if (name == "del" && holds_text(node)) ++state_.deletions;
        return false;
    }
    if (name == "p") {
        begin_paragraph(node);
    } else if (name == "tbl") {
        ++tables_;
    } else if (name == "altChunk") {
        state_.chunks.push_back(attribute_named(node, "id"));
    } else if (name == "footnote" || name == "endnote" || name == "comment") {
        // Separators of the footnote area are notes too; they have a type.
        const std::string type = attribute_named(node, "type");
        if (!type.empty() && type != "normal") return false;
        begin_note(node, name);
    } else if (!open_.empty()) {
        return enter_in_paragraph(node, name);
    }
    return true;
}

bool DocxWalker::enter_in_paragraph(const pugi::xml_node& node, std::string_view name) {
    Paragraph& paragraph = open_.back();
    using Kind = ScriptMarks::Kind;
    if (name == "t") {
        append(node.text().get());
        return false;
    }
    if (name == "r") {
        const pugi::xml_node properties = child_named(node, "rPr");
        place_run(state_.styles.vertical_place(properties), DocxStyles::is_struck(properties));
    } else if (name == "tab" || name == "ptab") {
        paragraph.text += '\t';
    } else if (name == "br" || name == "cr") {
        paragraph.text += '\n';
    } else if (name == "noBreakHyphen") {
        paragraph.text += '-';
    } else if (name == "softHyphen") {
        paragraph.text += "\u00AD";
    } else if (name == "sym") {
        append_symbol(node);
    } else if (name == "ruby") {
        append_ruby(node);
        return false;
    } else if (name == "ffData") {
        append_form_field(node);
        return false;
    } else if (name == "footnoteReference") {
        append_reference(state_.footnotes, node, false);
    } else if (name == "endnoteReference") {
        append_reference(state_.endnotes, node, true);
    } else if (name == "commentRangeStart") {
        comments_[attribute_named(node, "id")] = paragraph.text.size();
    } else if (name == "commentRangeEnd") {
        end_comment(attribute_named(node, "id"));
    } else if (name == "sup" || name == "sub") {  // of a formula
        paragraph.marks.open(name == "sup" ? Kind::kSuperscript : Kind::kSubscript);
    } else if (name == "docPr") {
        append(" " + attribute_named(node, "descr") + " ");
    } else if (name == "textpath") {  // a watermark
        append(attribute_named(node, "string"));
    } else if (name == "OLEObject") {
        ++state_.objects;
    }
    return true;
}

void DocxWalker::begin_paragraph(const pugi::xml_node& node) {
    const pugi::xml_node properties = child_named(node, "pPr");
    open_.emplace_back();
    Paragraph& paragraph = open_.back();
    paragraph.text = std::move(begun_);
    begun_.clear();
    const pugi::xml_node mark = child_named(properties, "rPr");
    const bool deleted = child_named(mark, "del") || child_named(mark, "moveFrom");
    paragraph.goes_on = deleted && local_name(node.next_sibling()) == "p";
    if (paragraph.goes_on) return;  // the rest has the looks and the number
    paragraph.heading = state_.styles.heading_level(properties);
    paragraph.number = state_.styles.next_number(properties);
}

// Notes are called what the body calls them.
void DocxWalker::begin_note(const pugi::xml_node& node, std::string_view name) {
    const std::string id = attribute_named(node, "id");
    lead_.clear();
    if (name == "comment") {
        const std::string author = attribute_named(node, "author");
        lead_ = author.empty() ? "Comment" : "Comment by " + author;
        const auto about = state_.commented.find(id);
        if (about != state_.commented.end()) lead_ += " on \u201C" + about->second + "\u201D";
        lead_ += ": ";
        return;
    }
    const auto& notes = name == "footnote" ? state_.footnotes : state_.endnotes;
    const auto number = notes.find(id);
    if (number == notes.end()) return;
    const auto count = static_cast<int64_t>(number->second);
    lead_ = "[" + list_number(count, name == "footnote" ? '1' : 'i') + "] ";
}

void DocxWalker::append(std::string_view text) {
    Paragraph& paragraph = open_.back();
    const bool spaced = space_run(text).length > 0;
    if (!spaced) paragraph.marks.before(text);
    if (paragraph.mark_first && !spaced && !text.empty()) paragraph.text += ' ';
    paragraph.mark_first = paragraph.mark_first && text.empty();
    paragraph.text += text;
}

void DocxWalker::append_symbol(const pugi::xml_node& node) {
    const std::string code = attribute_named(node, "char");
    const auto value = static_cast<uint32_t>(std::strtoul(code.c_str(), nullptr, 16));
    char32_t character = symbol_of(attribute_named(node, "font"), value);
    if (character == 0) {
        ++state_.symbols;
        character = 0xFFFD;
    }
    append_character(open_.back().text, character);
}

void DocxWalker::append_ruby(const pugi::xml_node& node) {
    std::string base, above;
    for (const pugi::xml_node& part : node.children()) {
        std::string& text = local_name(part) == "rt" ? above : base;
        for (const pugi::xml_node& t : elements_named(part, "t")) text += t.text().get();
    }
    append(above.empty() ? base : base + "(" + above + ")");
}

void DocxWalker::append_reference(std::map<std::string, size_t>& notes, const pugi::xml_node& node,
                                  bool roman) {
    place_run({}, false);
    const size_t number =
        notes.try_emplace(attribute_named(node, "id"), notes.size() + 1).first->second;
    // A mark of the author's own follows as text.
    const std::string own = attribute_named(node, "customMarkFollows");
    if (!own.empty() && own != "0" && own != "false") return;
    Paragraph& paragraph = open_.back();
    paragraph.mark_first = paragraph.mark_first || trim(paragraph.text).empty();
    paragraph.text += "[" + list_number(static_cast<int64_t>(number), roman ? 'i' : '1') + "]";
}

// Boxes and lists of the forms of older files; what is typed into them is text of the paragraph.
void DocxWalker::append_form_field(const pugi::xml_node& data) {
    const auto value = [](const pugi::xml_node& node) { return attribute_named(node, "val"); };
    if (const pugi::xml_node box = child_named(data, "checkBox")) {
        pugi::xml_node state = child_named(box, "checked");
        if (!state) state = child_named(box, "default");
        const std::string set = value(state);
        append(state && set != "0" && set != "false" && set != "off" ? "\u2612" : "\u2610");
    } else if (const pugi::xml_node list = child_named(data, "ddList")) {
        pugi::xml_node chosen = child_named(list, "result");
        if (!chosen) chosen = child_named(list, "default");
        auto left = std::strtoul(value(chosen).c_str(), nullptr, 10);
        for (const pugi::xml_node& entry : list.children()) {
            if (local_name(entry) == "listEntry" && left-- == 0) append(value(entry));
        }
    }
}

void DocxWalker::place_run(const std::string& place, bool struck) {
    Paragraph& paragraph = open_.back();
    if (place != paragraph.place && !paragraph.place.empty()) paragraph.marks.close();
    if (struck != paragraph.struck) {
        if (!struck && paragraph.text.ends_with("~~")) {
            paragraph.text.resize(paragraph.text.size() - 2);  // nothing was struck
        } else {
            paragraph.text += "~~";
        }
    }
    if (place != paragraph.place && !place.empty()) {
        paragraph.marks.open(place == "superscript" ? ScriptMarks::Kind::kSuperscript
                                                    : ScriptMarks::Kind::kSubscript);
    }
    paragraph.place = place;
    paragraph.struck = struck;
}

// What a comment is about: as far as it stands in the paragraph where its range ends or breaks off.
void DocxWalker::end_comment(const std::string& id) {
    const auto range = comments_.find(id);
    if (range == comments_.end()) return;
    const std::string& text = open_.back().text;
    const std::string_view about =
        trim(std::string_view(text).substr(std::min(range->second, text.size())));
    const size_t length = character_boundary(about, std::min(about.size(), kLongestComment));
    if (length > 0) {
        std::string quoted;
        append_collapsed(quoted, about.substr(0, length));
        if (length < about.size()) quoted += "\u2026";
        state_.commented.emplace(id, quoted);
    }
    comments_.erase(range);
}

void DocxWalker::leave(const pugi::xml_node& node) {
    const std::string_view name = local_name(node);
    if (name == "p" && !open_.empty()) {
        end_paragraph();
    } else if ((name == "sup" || name == "sub") && !open_.empty()) {
        open_.back().marks.close();
    } else if (name == "num" && !open_.empty()) {
        open_.back().text += '/';  // of a fraction
    } else if (name == "tc") {
        table_ += '\t';
    } else if (name == "tr") {
        while (table_.ends_with('\t')) table_.pop_back();
        if (!table_.empty() && table_.back() != '\n') table_ += '\n';
        if (tables_ == 1) end_row(node);
    } else if (name == "tbl" && tables_ > 0 && --tables_ == 0) {
        out_.add_table(table_, row_ends_, header_rows_);
        table_.clear();
        row_ends_.clear();
        header_rows_ = 0;
    } else if (name == "footnote" || name == "endnote" || name == "comment") {
        lead_.clear();
    }
}

void DocxWalker::end_row(const pugi::xml_node& row) {
    const size_t end = trim_end(table_).size();
    if (end == 0 || (!row_ends_.empty() && row_ends_.back() >= end)) return;
    row_ends_.push_back(end);
    const pugi::xml_node header = child_named(child_named(row, "trPr"), "tblHeader");
    if (!header || header_rows_ + 1 != row_ends_.size()) return;
    const std::string value = attribute_named(header, "val");
    if (value != "0" && value != "false" && value != "off") header_rows_ = row_ends_.size();
}

void DocxWalker::end_paragraph() {
    place_run({}, false);
    while (!comments_.empty()) end_comment(comments_.begin()->first);
    Paragraph& paragraph = open_.back();
    if (paragraph.goes_on) {
        begun_ = std::move(paragraph.text);
        open_.pop_back();
        return;
    }
    const std::string_view trimmed = trim(paragraph.text);
    if (!trimmed.empty()) {
        std::string text = lead_;
        lead_.clear();
        if (!paragraph.number.empty()) text += paragraph.number + " ";
        text += trimmed;
        if (tables_ == 0) {
            ExtractedText::Kind kind;
            kind.heading = paragraph.heading > 0;
            kind.level = paragraph.heading < DocxStyles::kTitleLevel ? paragraph.heading : 0;
            out_.add(text, kind);
        } else {
            if (!table_.empty() && table_.back() != '\n' && table_.back() != '\t') table_ += ' ';
            append_collapsed(table_, text);
        }
    }
    open_.pop_back();
}

}  // namespace s3attn::text
