#include "text/odf_walker.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "text/xml_parts.h"

namespace s3attn::text {
namespace {

constexpr uint64_t kMostRepeated = 256;  // copies of a cell or a row that are shown
constexpr uint64_t kMostSpaces = 64;

uint64_t count_in(const pugi::xml_node& node, const char* attribute) {
    const std::string value = attribute_named(node, attribute);
    return value.empty() ? 1 : std::max<uint64_t>(std::strtoull(value.c_str(), nullptr, 10), 1);
}

bool is_skipped(std::string_view name) {
    static constexpr std::array<std::string_view, 9> kSkipped = {
        "forms",    "sequence-decls",  "variable-decls",  "user-field-decls", "scripts",
        "settings", "font-face-decls", "event-listeners", "database-ranges"};
    return std::find(kSkipped.begin(), kSkipped.end(), name) != kSkipped.end();
}

}  // namespace

Status OdfWalker::walk(const pugi::xml_node& root, uint64_t most) {
    pugi::xml_node node = root;
    while (node) {
        if (enter(node) && node.first_child()) {
            node = node.first_child();
            continue;
        }
        for (;;) {
            leave(node);
            if (node == root) return {};
            if (node.next_sibling()) break;
            node = node.parent();
        }
        if (out_.size() + table_.size() > most) {
            return make_error(ErrorCode::kUnsupported, "holds more than " + std::to_string(most) +
                                                           " bytes of text; split it");
        }
        node = node.next_sibling();
    }
    return {};
}

bool OdfWalker::enter(const pugi::xml_node& node) {
    if (node.type() == pugi::node_pcdata || node.type() == pugi::node_cdata) {
        if (!open_.empty()) append(node.value());
        return false;
    }
    const std::string_view name = local_name(node);
    if (is_skipped(name)) return false;
    if (name == "tracked-changes") {
        counts_.deletions += elements_named(node, "deletion").size();
        return false;
    }
    if (name == "p" || name == "h") {
        begin_paragraph(node, name == "h");
        return true;
    }
    if (name.starts_with("table") || name == "covered-table-cell") return enter_table(node, name);
    if (name == "list" || name == "list-item" || name == "list-header") {
        enter_list(node, name);
        return true;
    }
    if (!enter_structure(node, name)) return false;
    return open_.empty() || enter_in_paragraph(node, name);
}

// Pages, frames, notes and objects.
bool OdfWalker::enter_structure(const pugi::xml_node& node, std::string_view name) {
    if (name == "page" && kind_ == Kind::kSlides) {
        begin_page();
    } else if (name == "notes") {
        lead_ = "Notes: ";
    } else if (name == "frame") {
        in_title_ = attribute_named(node, "class") == "title";
        tight_ = false;
    } else if (name == "page-thumbnail") {
        return false;
    } else if (name == "title" || name == "desc") {  // of a picture
        if (open_.empty()) {
            put(node.text().get(), {});
        } else {
            append(std::string(" ") + node.text().get() + " ");
        }
        return false;
    } else if (name == "image") {
        // The picture that stands for an object is none of its own.
        if (!child_named(node.parent(), "object")) ++counts_.pictures;
        return false;
    } else if (name == "object" || name == "object-ole") {
        read_object(node);
        return false;
    } else if (name == "annotation") {
        const std::string author = child_named(node, "creator").text().get();
        lead_ = author.empty() ? "Comment: " : "Comment by " + author + ": ";
        ++notes_;
    } else if (name == "annotation-end" || name == "creator" || name == "date" ||
               name == "creator-initials") {
        return false;
    } else if (name == "note-body") {
        lead_ = std::string("[") + child_named(node.parent(), "note-citation").text().get() + "] ";
        ++notes_;
    } else if (name == "note-citation") {
        if (!open_.empty()) append(std::string("[") + node.text().get() + "]");
        return false;
    } else if (name == "tab-stop" || name == "index-title-template" ||
               name.ends_with("-source")) {  // of a table of contents: how it is made
        return false;
    }
    return true;
}

bool OdfWalker::enter_in_paragraph(const pugi::xml_node& node, std::string_view name) {
    Paragraph& paragraph = open_.back();
    if (name == "s") {
        paragraph.text.append(std::min(count_in(node, "c"), kMostSpaces), ' ');
    } else if (name == "tab") {
        paragraph.text += tables_ > 0 ? ' ' : '\t';
    } else if (name == "line-break") {
        paragraph.text += '\n';
    } else if (name == "span") {
        paragraph.styles.push_back(attribute_named(node, "style-name"));
        restyle();
    } else if (name == "ruby-text") {
        paragraph.text += '(' + std::string(node.text().get()) + ')';
        return false;
    }
    return true;
}

void OdfWalker::enter_list(const pugi::xml_node& node, std::string_view name) {
    if (name != "list") {
        if (lists_.empty()) return;
        lists_.back().item = name == "list-item";
        const std::string start = attribute_named(node, "start-value");
        lists_.back().start = std::atoll(start.c_str());
        return;
    }
    List list;
    list.style = attribute_named(node, "style-name");
    if (list.style.empty() && !lists_.empty()) list.style = lists_.back().style;
    list.restart = lists_.empty() && attribute_named(node, "continue-numbering") != "true" &&
                   attribute_named(node, "continue-list").empty();
    lists_.push_back(list);
}

void OdfWalker::begin_page() {
    ++page_;
    out_.begin_chapter();
    tight_ = false;
}

bool OdfWalker::enter_table(const pugi::xml_node& node, std::string_view name) {
    if (name == "table") {
        if (tables_++ > 0) return true;
        row_number_ = last_row_ = 0;
        if (kind_ != Kind::kSheets) return true;
        out_.begin_chapter();
        ExtractedText::Kind heading;
        heading.heading = true;
        heading.level = 1;
        out_.add(attribute_named(node, "name"), heading, {{0, 1}});
    } else if (tables_ == 1 && name == "table-row") {
        row_.clear();
    } else if (tables_ == 1 && (name == "table-cell" || name == "covered-table-cell")) {
        cell_.clear();
    } else if (name == "table-column" || name == "table-source" || name == "table-columns") {
        return false;
    }
    return true;
}

void OdfWalker::begin_paragraph(const pugi::xml_node& node, bool heading) {
    open_.emplace_back();
    Paragraph& paragraph = open_.back();
    if (heading) {
        const int level = std::atoi(attribute_named(node, "outline-level").c_str());
        paragraph.level = static_cast<uint8_t>(std::clamp(level, 1, 9));
        paragraph.number = styles_.next_heading_number(paragraph.level - 1u);
    } else if (in_title_ && kind_ == Kind::kSlides) {
        paragraph.level = 1;
    }
    if (lists_.empty() || !lists_.back().item || notes_ > 0) return;
    List& list = lists_.back();
    const std::string number =
        styles_.next_number(list.style, lists_.size() - 1, list.restart, list.start);
    if (!heading) paragraph.number = number;
    list.item = list.restart = false;  // the item's further paragraphs have none
}

void OdfWalker::read_object(const pugi::xml_node& node) {
    std::string name = attribute_named(node, "href");
    if (name.starts_with("./")) name.erase(0, 2);
    const std::string text = embedded_(name);
    if (text.empty()) return;
    if (open_.empty()) {
        put(text, {});
    } else {
        append(" " + text + " ");
    }
}

void OdfWalker::restyle() {
    Paragraph& paragraph = open_.back();
    std::string place;
    bool struck = false;
    for (const std::string& style : paragraph.styles) {
        if (const std::string own = styles_.vertical_place(style); !own.empty()) place = own;
        struck = struck || styles_.is_struck(style);
    }
    if (place != paragraph.place && !paragraph.place.empty()) paragraph.marks.close();
    if (struck != paragraph.struck) paragraph.text += "~~";
    if (place != paragraph.place && !place.empty()) {
        paragraph.marks.open(place == "superscript" ? ScriptMarks::Kind::kSuperscript
                                                    : ScriptMarks::Kind::kSubscript);
    }
    paragraph.place = place;
    paragraph.struck = struck;
}

void OdfWalker::append(std::string_view text) {
    Paragraph& paragraph = open_.back();
    if (space_run(text).length == 0) paragraph.marks.before(text);
    append_collapsed(paragraph.text, text);
}

void OdfWalker::leave(const pugi::xml_node& node) {
    if (node.type() != pugi::node_element) return;
    const std::string_view name = local_name(node);
    if ((name == "p" || name == "h") && !open_.empty()) {
        end_paragraph();
    } else if (name == "span" && !open_.empty() && !open_.back().styles.empty()) {
        open_.back().styles.pop_back();
        restyle();
    } else if (name == "list" && !lists_.empty()) {
        lists_.pop_back();
    } else if (name == "frame") {
        in_title_ = tight_ = false;
    } else if (name == "annotation" || name == "note-body") {
        lead_.clear();
        notes_ = std::max(notes_ - 1, 0);
    } else if (name == "notes") {
        lead_.clear();
    } else if (name.starts_with("table") || name == "covered-table-cell") {
        leave_table(node, name);
    }
}

void OdfWalker::leave_table(const pugi::xml_node& node, std::string_view name) {
    if (name == "table" && tables_ > 0) {
        if (--tables_ == 0) table_.finish(out_);
        return;
    }
    if (tables_ != 1) return;
    if (name == "table-header-rows") {
        table_.mark_header();
    } else if (name == "table-row") {
        end_row(node);
    } else if (name == "table-cell" || name == "covered-table-cell") {
        const uint64_t repeated = count_in(node, "number-columns-repeated");
        const uint64_t shown = std::min(repeated, kMostRepeated);
        if (cell_.empty()) cell_ = attribute_named(node, "value");  // of a cell without its text
        if (!after_.empty()) cell_ += (cell_.empty() ? "" : " ") + after_;
        after_.clear();
        if (!cell_.empty()) counts_.repeated += repeated - shown;
        for (uint64_t i = 0; i < shown && row_.size() < 16384; ++i) row_.push_back(cell_);
        cell_.clear();
    }
}

// A row without text ends a table of a sheet.
void OdfWalker::end_row(const pugi::xml_node& row) {
    const uint64_t repeated = count_in(row, "number-rows-repeated");
    while (!row_.empty() && row_.back().empty()) row_.pop_back();
    const uint64_t first = uint64_t{row_number_} + 1;
    row_number_ = static_cast<uint32_t>(std::min<uint64_t>(row_number_ + repeated, UINT32_MAX - 1));
    if (row_.empty()) return;
    if (kind_ == Kind::kSheets && first > uint64_t{last_row_} + 1) table_.finish(out_);
    const uint64_t shown = std::min(repeated, kMostRepeated);
    counts_.repeated += repeated - shown;
    for (uint64_t i = 0; i < shown; ++i) {
        const uint64_t line = kind_ == Kind::kSheets ? first + i : page_;
        table_.add_row(row_, static_cast<uint32_t>(line));
    }
    last_row_ = row_number_;
}

void OdfWalker::end_paragraph() {
    open_.back().styles.clear();
    restyle();
    const std::string body = std::move(open_.back().text);
    const std::string number = std::move(open_.back().number);
    const uint8_t level = open_.back().level;
    open_.pop_back();
    const std::string_view trimmed = trim(body);
    std::string text;
    if (!trimmed.empty()) {
        text = lead_ + (number.empty() ? "" : number + " ") + std::string(trimmed);
        lead_.clear();
    }
    if (notes_ > 0 && (tables_ > 0 || !open_.empty())) {
        if (!text.empty()) after_ += (after_.empty() ? "" : "\n") + text;
    } else if (!open_.empty()) {  // a text box that is anchored in a paragraph
        append(" " + text + " ");
    } else if (tables_ > 0) {
        if (!text.empty()) cell_ += (cell_.empty() ? "" : " ") + text;
    } else {
        ExtractedText::Kind kind;
        kind.level = level;
        kind.heading = level > 0;
        kind.tight = tight_ || (!lists_.empty() && !kind.heading);
        put(text, kind);
        tight_ = kind_ == Kind::kSlides && !kind.heading;
        put(after_, {});
        after_.clear();
    }
}

void OdfWalker::put(const std::string& text, ExtractedText::Kind kind) {
    if (tables_ > 0) {
        cell_ += (cell_.empty() ? "" : " ") + text;
    } else {
        const uint32_t place = kind_ == Kind::kSheets ? std::max(row_number_, 1u) : page_;
        out_.add(text, kind, place > 0 ? LineMap{{0, place}} : LineMap{});
    }
}

}  // namespace s3attn::text
