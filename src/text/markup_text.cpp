#include "text/markup_text.h"

#include <algorithm>

namespace s3attn::text {

// Of the head only the title is text.
bool MarkupText::enter_head(const Element& element) {
    if (element.flags & kHead) {
        head_ = open_.size() + 1;
        return options_.with_title;
    }
    return head_ == 0 || title_ > 0 || (element.flags & kTitle) != 0;
}

void MarkupText::open(const Element& element, uint32_t line) {
    if (!element.meta_name.empty() && options_.on_meta) {
        options_.on_meta(element.meta_name, element.meta_content);
    }
    if (skipped_ > 0 || !enter_head(element) ||
        (element.flags & (kNoContent | kRubyParenthesis)) != 0) {
        ++skipped_;
        return;
    }
    Open open{element.flags};
    if (!open_.empty() && (open_.back().flags & kFormula) != 0) open_formula_part(open);
    if (element.flags & kFormula)
        open.formula_sub = element.name.find("sub") == 1 || element.name.find("under") == 1;
    if (element.name == "mfrac") open.number_style = '/';
    if (element.flags & kLineBreak) break_line();
    const bool in_table = data_table_ > 0;
    if (in_table && (element.flags & kCell)) begin_cell(element);
    if (!in_table) open_block(element, open);
    open_inline(element, open);
    open_.push_back(open);
    if (!element.inner.empty()) {
        apart_ = true;
        text(element.inner, line);
        apart_ = true;
        if (element.name == "optgroup") flush();
    }
}

void MarkupText::open_block(const Element& element, Open& open) {
    if (element.flags & kBlock) flush();
    if ((element.flags & kTable) && element.data_table) data_table_ = open_.size() + 1;
    if (element.flags & kHeading) {
        kind_.heading = true;
        kind_.level = element.level;
    }
    if (element.flags & kTight) kind_.tight = true;
    if (element.flags & kKeepsSpace) ++keep_space_;
    if (element.flags & kTitle) ++title_;
    if (element.flags & kNumbered) {
        open.next_number = element.number.value_or(1);
        open.number_style = element.number_style;
    }
    if (!(element.flags & kItem) || open_.empty()) return;
    Open& list = open_.back();
    if (!(list.flags & kNumbered) || list.number_style == 0) return;
    const int64_t number = element.number.value_or(list.next_number);
    list.next_number = number + 1;
    prefix_ += list_number(number, list.number_style) + ". ";
}

void MarkupText::open_inline(const Element& element, Open& open) {
    using Kind = ScriptMarks::Kind;
    if (element.flags & kApart) apart_ = true;
    if (element.flags & kStruck) ++struck_;
    if (element.flags & kQuote) append_word("\u201C");
    if (element.flags & kRubyText) append_word("(");
    if (element.flags & kMath) ++math_;
    if (element.flags & kNoteLink) {
        note_link_ = text_.size();
        if (in_mark_ && mark_above_) marks_.make_note();
    }
    if (in_mark_) return;
    const bool above = (element.flags & kSuperscript) != 0;
    if (element.flags & kNoteReference) {
        marks_.open(Kind::kNote);
    } else if (above || (element.flags & kSubscript) != 0) {
        // A link around the mark alone makes it the mark of a note.
        const bool note = above && note_link_ != kNone && note_link_ >= text_.size();
        marks_.open(note ? Kind::kNote : above ? Kind::kSuperscript : Kind::kSubscript);
        mark_above_ = above;
    } else {
        if ((element.flags & kNoteLink) == 0) return;
        marks_.open(Kind::kPerhapsNote);
        open.mark = true;
        return;
    }
    open.mark = in_mark_ = open.real_mark = true;
}

// x<sup>2</sup> as MathML says it: the second child is the exponent.
void MarkupText::open_formula_part(Open& open) {
    Open& formula = open_.back();
    const uint32_t part = formula.children++;
    if (part == 0) return;
    if (formula.number_style == '/') {
        append_word("/");
        return;
    }
    if (in_mark_) {
        apart_ = true;
        return;
    }
    const bool below = part == 1 && formula.formula_sub;
    marks_.open(below ? ScriptMarks::Kind::kSubscript : ScriptMarks::Kind::kSuperscript);
    open.mark = open.real_mark = in_mark_ = true;
}

void MarkupText::close() {
    if (skipped_ > 0) {
        --skipped_;
        if (skipped_ == 0 && head_ == open_.size() + 1) head_ = 0;  // a head left out whole
        return;
    }
    if (open_.empty()) return;
    const Open open = open_.back();
    open_.pop_back();
    close_inline(open);
    const size_t depth = open_.size() + 1;
    if (head_ == depth) head_ = 0;
    if (data_table_ > 0 && data_table_ != depth) {
        if (open.flags & (kRow | kCaption)) break_line();
        if (open.flags & (kRow | kCaption)) end_row();
        return;
    }
    if (open.flags & kKeepsSpace) {
        kind_.lines = true;
        --keep_space_;
    }
    if (data_table_ == depth) {
        kind_.lines = true;
        data_table_ = 0;
    }
    if (open.flags & kBlock) flush();
    if (open.flags & kTitle) --title_;
    if (open.flags & kItem) prefix_.clear();
}

void MarkupText::close_inline(const Open& open) {
    if (open.mark) {
        marks_.close();
        if (open.real_mark) in_mark_ = mark_above_ = false;
        clamp_lines();
    }
    if (open.flags & kMath) --math_;
    if (open.flags & kNoteLink) note_link_ = kNone;
    if (open.flags & kApart) apart_ = true;
    if (open.flags & kQuote) append_word("\u201D");
    if (open.flags & kRubyText) append_word(")");
    if ((open.flags & kStruck) && --struck_ == 0) end_strike();
}

void MarkupText::text(std::string_view rest, uint32_t line) {
    if (skipped_ > 0 || (head_ > 0 && title_ == 0)) return;
    if (math_ > 0 && trim(rest).empty()) return;
    while (!rest.empty()) {
        const size_t end = std::min(rest.find('\n'), rest.size() - 1) + 1;
        const std::string_view part = rest.substr(0, end);
        if (options_.with_lines && !trim(part).empty()) lines_.emplace_back(text_.size(), line);
        add_part(part);
        if (part.ends_with('\n')) ++line;
        rest.remove_prefix(end);
    }
}

void MarkupText::add_part(std::string_view part) {
    const bool blank = trim(part).empty();
    if (!blank) {
        if (space_run(part).length == 0) {
            marks_.before(part);
            if (apart_ && ends_with_word(text_) && begins_with_word(part)) text_ += ' ';
        }
        text_ += prefix_;
        prefix_.clear();
        apart_ = false;
        if (struck_ > 0 && !struck_written_) {
            if (keep_space_ == 0 && space_run(part).length > 0) {
                append_collapsed(text_, " ");
                part = part.substr(space_run(part).length);
            }
            text_ += "~~";
            struck_written_ = true;
        }
    }
    if (keep_space_ > 0) {
        text_ += part;
    } else {
        append_collapsed(text_, part);
    }
}

// Marks of our own, which need no space and get no line.
void MarkupText::append_word(std::string_view part) {
    text_ += prefix_;
    prefix_.clear();
    text_ += part;
}

void MarkupText::end_strike() {
    if (!struck_written_) return;
    const size_t end = trim_end(text_).size();
    const std::string space = text_.substr(end);
    text_.resize(end);
    text_ += "~~" + space;
    struck_written_ = false;
}

void MarkupText::begin_cell(const Element& element) {
    while (text_.ends_with(' ')) text_.pop_back();
    const bool first = !row_has_data_ && !row_has_names_;
    // A cell that is empty keeps its place, also at the table's very beginning.
    if (!first) text_ += text_.empty() ? "-\t" : "\t";
    if (first && !text_.empty() && text_.back() != '\n') text_ += '\t';
    (element.name == "th" ? row_has_names_ : row_has_data_) = true;
    apart_ = false;
}

// Of a table of data; a caption counts as a row of names.
void MarkupText::end_row() {
    const size_t end = trim_end(text_).size();
    const bool names = !row_has_data_;
    row_has_data_ = row_has_names_ = false;
    if (end == 0 || (!row_ends_.empty() && row_ends_.back() >= end)) return;
    if (names && header_rows_ == row_ends_.size()) ++header_rows_;
    row_ends_.push_back(end);
}

void MarkupText::break_line() {
    while (text_.ends_with(' ') && keep_space_ == 0) text_.pop_back();
    text_ += '\n';
}

void MarkupText::flush() {
    end_strike();
    if (title_ > 0) out_.set_title(text_);
    if (row_ends_.empty()) {
        out_.add(text_, kind_, lines_);
    } else {
        out_.add_table(text_, row_ends_, header_rows_, lines_);
    }
    row_ends_.clear();
    header_rows_ = 0;
    text_.clear();
    marks_.begin_text();
    lines_.clear();
    kind_ = {};
    apart_ = false;
    if (note_link_ != kNone) note_link_ = 0;
}

// A mark may have shortened the text in front of places already noted.
void MarkupText::clamp_lines() {
    for (auto entry = lines_.rbegin(); entry != lines_.rend() && entry->first > text_.size();
         ++entry) {
        entry->first = text_.size();
    }
    for (size_t& end : row_ends_) end = std::min(end, text_.size());
}

}  // namespace s3attn::text
