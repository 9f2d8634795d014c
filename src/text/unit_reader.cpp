#include "text/unit_reader.h"

#include <algorithm>

#include "text/extracted_text.h"

namespace s3attn::text {

UnitReader::UnitReader(DocumentHeader header, std::unique_ptr<TextWindow> window,
                       std::unique_ptr<PieceSource> pieces, const UnitLimits& limits, Place place,
                       LineMap lines)
    : header_(std::move(header)),
      window_(std::move(window)),
      pieces_(std::move(pieces)),
      limits_(limits),
      place_(place),
      lines_(std::move(lines)) {}

// What a heading says without its marks: "## Rents ##", "\\section{Rents}\\label{r}", "* TODO
// Rents".
std::string heading_label(std::string_view source) {
    constexpr size_t kLongest = 120;
    std::string_view text = trim(source);
    if (text.starts_with('\\')) {
        const size_t open = std::min(text.find('{'), text.size());
        size_t end = open;
        for (int depth = 0; end < text.size(); ++end) {
            depth += text[end] == '{' ? 1 : text[end] == '}' ? -1 : 0;
            if (depth == 0) break;
        }
        if (open < end) text = text.substr(open + 1, end - open - 1);
    }
    std::string label;
    while (!text.empty()) {
        const size_t end = std::min(text.find_first_of("\r\n"), text.size());
        std::string_view line = trim(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        const size_t first = line.find_first_not_of("#*=~^\"'+.:`_- \t");
        if (first == line.npos) continue;  // a rule above or below
        if (line.starts_with('#') || line.starts_with('*')) line.remove_prefix(first);
        while (line.ends_with('#')) line = trim_end(line.substr(0, line.size() - 1));
        append_collapsed(label, label.empty() ? std::string(line) : " " + std::string(line));
    }
    if (label.size() > kLongest) label.resize(character_boundary(label, kLongest));
    return label;
}

Result<bool> UnitReader::peek() {
    Piece piece;
    while (queue_.empty()) {
        S3ATTN_TRY(const bool any, pieces_->next(piece));
        if (!any) return false;
        piece.barrier = piece.barrier || barrier_waits_;
        const bool nothing = is_invisible(window_->view(piece.begin, piece.end));
        barrier_waits_ = nothing && piece.barrier;
        if (nothing) continue;  // it stays in the gap
        S3ATTN_CHECK(no_language_.split(*window_, piece, queue_));
    }
    return true;
}

void UnitReader::add(Group& group, const Piece& piece) const {
    group.pieces.push_back(piece);
    group.all_headings = group.all_headings && piece.heading;
    const bool stands = piece.end - piece.begin >= limits_.min_bytes && !piece.heading;
    group.sealed = group.sealed || piece.cut || stands;
}

bool UnitReader::joins(const Group& group, const Piece& piece) const {
    const uint64_t span = piece.end - group.begin();
    if (piece.barrier || group.sealed || span > limits_.max_bytes) return false;
    const bool within_target = span <= limits_.target_bytes;
    if (piece.heading) return group.all_headings && within_target;
    const bool stands = piece.cut || piece.end - piece.begin >= limits_.min_bytes;
    return group.size() < limits_.min_bytes || (!stands && within_target);
}

// A heading in front of a paragraph that just fits into a unit alone: cut the paragraph into
// blocks, so that the heading need not stand alone.
Status UnitReader::cut_front_if_it_helps(const Group& group) {
    const Piece whole = queue_.front();
    const uint64_t lead = whole.begin - group.begin();
    const bool blocked = !whole.cut && !whole.heading && !whole.barrier && !group.sealed &&
                         group.size() < limits_.min_bytes &&
                         whole.end - group.begin() > limits_.max_bytes;
    if (!blocked || lead + limits_.target_bytes > limits_.max_bytes) return {};
    UnitLimits limits = limits_;
    limits.max_bytes -= lead;
    const std::string_view text = window_->view(whole.begin, whole.end);
    const size_t first = first_block_length(text, true, limits);
    const SpaceRun space = space_run(text.substr(first));
    if (first + space.length >= text.size()) return {};
    queue_.front() = Piece{whole.begin, whole.begin + first, false, true, false, 0};
    const Piece rest{whole.begin + first + space.length, whole.end, false, true, false, 0};
    queue_.insert(queue_.begin() + 1, rest);
    return {};
}

Result<bool> UnitReader::next(Unit& unit) {
    // Line ends are counted up to the last character of the previous unit.
    window_->discard_before(std::min(last_end_, counted_to_));
    S3ATTN_TRY(const bool any, peek());
    if (!any) {
        note_no_language();
        return false;
    }
    Group group;
    add(group, queue_.front());
    queue_.pop_front();
    for (;;) {
        S3ATTN_TRY(const bool more, peek());
        if (!more) break;
        S3ATTN_CHECK(cut_front_if_it_helps(group));
        if (!joins(group, queue_.front())) break;
        add(group, queue_.front());
        queue_.pop_front();
    }
    // A chain of headings (a table of contents) must not keep the heading of what follows.
    if (group.all_headings && group.pieces.size() > 1 && !queue_.empty() &&
        !queue_.front().heading && !queue_.front().barrier && !group.pieces.back().barrier) {
        queue_.push_front(group.pieces.back());
        group.pieces.pop_back();
    }
    fill(group, unit);
    last_end_ = group.end();
    return true;
}

uint32_t UnitReader::line_at(uint64_t position) {
    if (place_ != Place::kCountLines) {
        counted_to_ = std::max(counted_to_, position);
        const auto after =
            std::upper_bound(lines_.begin(), lines_.end(), position,
                             [](uint64_t value, const auto& entry) { return value < entry.first; });
        return after == lines_.begin() ? 1 : std::prev(after)->second;
    }
    const std::string_view passed = window_->view(counted_to_, position);
    count_ += count_line_ends(passed, counted_last_);
    if (!passed.empty()) counted_last_ = passed.back();
    counted_to_ = std::max(counted_to_, position);
    return count_;
}

// Once, at the end.
void UnitReader::note_no_language() {
    if (no_language_.runs() == 0 || noted_) return;
    noted_ = true;
    find_no_language_place(window_->end());
    const uint64_t runs = no_language_.runs();
    add_note(header_.notes,
             {ReadNote::Kind::kLeftOut,
              (place_ == Place::kMapPages ? "from page " : "from line ") +
                  std::to_string(no_language_place_),
              runs,
              std::to_string(runs) + (runs == 1 ? " run" : " runs") + " of " +
                  std::to_string(no_language_.bytes()) +
                  " bytes that are no language (base64, hex dumps, minified code): kept in the "
                  "text, but not scanned"});
}

// Lines are counted in order: the first run's is asked for when what is in front of it was.
void UnitReader::find_no_language_place(uint64_t before) {
    if (no_language_place_ > 0 || no_language_.runs() == 0 || no_language_.first() >= before)
        return;
    no_language_place_ = line_at(no_language_.first());
}

void UnitReader::note_heading(const Piece& piece) {
    if (piece.level == 0) return;
    while (!headings_.empty() && headings_.back().first >= piece.level) headings_.pop_back();
    std::string label = heading_label(window_->view(piece.begin, piece.end));
    if (!label.empty()) headings_.emplace_back(piece.level, std::move(label));
}

// Title and headings above the first text of the unit, the unit's own included.
void UnitReader::fill_place(const Group& group, Unit& unit) {
    size_t front = 0;
    while (front < group.pieces.size() && group.pieces[front].heading) {
        note_heading(group.pieces[front++]);
    }
    unit.heading = header_.title;
    for (const auto& [level, label] : headings_) {
        if (label == header_.title) continue;
        unit.heading += (unit.heading.empty() ? "" : " > ") + label;
    }
    unit.columns.clear();
    for (size_t i = front; i < group.pieces.size(); ++i) {
        note_heading(group.pieces[i]);  // with text in its line: it counts for what follows
        if (unit.columns.empty() && group.pieces[i].columns)
            unit.columns = *group.pieces[i].columns;
    }
    unit.time_begin_ms = unit.time_end_ms = 0;
    for (auto at = std::upper_bound(
             times_.begin(), times_.end(), group.begin(),
             [](uint64_t position, const SpokenAt&time) { return position < time.position; });
         !times_.empty();) {
        const SpokenAt& first = at == times_.begin() ? *at : *std::prev(at);
        unit.time_begin_ms = first.begin_ms;
        unit.time_end_ms = first.end_ms;
        for (; at != times_.end() && at->position < group.end(); ++at) {
            unit.time_end_ms = std::max(unit.time_end_ms, at->end_ms);
        }
        break;
    }
}

// Markup that is not well-formed stands elsewhere in the text than in the source: text between
// the rows of a table comes in front of the table. The unit's lines are all that it came from.
void UnitReader::widen_lines(const Group& group, Unit& unit) const {
    auto at =
        std::upper_bound(lines_.begin(), lines_.end(), group.begin(),
                         [](uint64_t value, const auto& entry) { return value < entry.first; });
    uint32_t least = unit.line_begin, greatest = unit.line_begin;
    for (; at != lines_.end() && at->first < group.end(); ++at) {
        least = std::min(least, at->second);
        greatest = std::max(greatest, at->second);
    }
    unit.line_begin = least;
    unit.line_end = greatest;
}

void UnitReader::fill(const Group& group, Unit& unit) {
    fill_place(group, unit);
    unit.gap.assign(window_->view(last_end_, group.begin()));
    unit.text.assign(window_->view(group.begin(), group.end()));
    unit.byte_begin = window_->source_offset(group.begin());
    unit.byte_end = window_->source_offset(group.end());
    find_no_language_place(group.begin());
    const uint32_t first = line_at(group.begin());
    if (place_ == Place::kMapPages) {
        unit.page = first;
        unit.line_begin = unit.line_end = 0;
    } else {
        unit.page = 0;
        unit.line_begin = first;
        if (place_ == Place::kMapLines) {
            widen_lines(group, unit);
        } else {
            unit.line_end = line_at(group.end() - 1);
        }
    }
}

}  // namespace s3attn::text
