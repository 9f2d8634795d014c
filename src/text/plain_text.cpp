#include "text/plain_text.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <vector>

namespace s3attn::text {
namespace {

constexpr uint64_t kRunSample = 64 << 10;  // how much of a run decides what it is
constexpr size_t kLongestHeading = 100;

UChar32 first_character(std::string_view text) {
    size_t i = 0;
    UChar32 c = 0;
    if (!text.empty()) U8_NEXT(text.data(), i, text.size(), c);
    return c;
}

bool ends_sentence(std::string_view line) {
    if (line.empty()) return false;
    auto i = static_cast<int32_t>(line.size());  // a heading's line at most
    UChar32 c = 0;
    while (i > 0) {  // behind closing quotes and brackets
        U8_PREV(line.data(), 0, i, c);
        const int8_t type = u_charType(c);
        if (c != '"' && c != '\'' && type != U_FINAL_PUNCTUATION && type != U_END_PUNCTUATION) {
            break;
        }
    }
    return u_hasBinaryProperty(c, UCHAR_S_TERM) || c == ':' || c == ',' || c == ';' ||
           c == 0x2026 || c == 0x3001 || c == 0xFF0C;
}

struct RunShape {
    size_t lines = 0, bytes = 0;
    size_t long_bytes = 0;    // in lines of at least min_bytes
    size_t lower_starts = 0;  // lines that begin with a lower-case letter
    size_t indented = 0;
    size_t wordy = 0;  // lines of at least five words
};

RunShape measure(std::string_view run, size_t min_bytes) {
    RunShape shape;
    while (!run.empty()) {
        const size_t end = std::min(run.find_first_of("\r\n"), run.size());
        const std::string_view raw = run.substr(0, end);
        run.remove_prefix(std::min(end + 1, run.size()));
        const std::string_view line = trim(raw);
        if (line.empty()) continue;
        ++shape.lines;
        shape.bytes += line.size();
        if (line.size() >= min_bytes) shape.long_bytes += line.size();
        if (raw.front() == ' ' || raw.front() == '\t') ++shape.indented;
        if (shape.lines > 1 && u_islower(first_character(line))) ++shape.lower_starts;
        if (std::count(line.begin(), line.end(), ' ') >= 4) ++shape.wordy;
    }
    return shape;
}

// One paragraph per line, as opposed to one paragraph wrapped over several lines.
bool lines_are_long(const RunShape& shape) {
    return shape.lines > 1 && shape.long_bytes * 10 >= shape.bytes * 7;
}

// Prose wrapped at some width goes on in the next line in lower case; logs, tables and code have
// few words, or lines that all begin alike.
bool is_wrapped_prose(const RunShape& shape) {
    return shape.lines <= 1 ||
           (shape.lower_starts * 10 >= shape.lines * 3 && shape.indented * 5 <= shape.lines &&
            shape.wordy * 10 >= shape.lines * 6);
}

// 1 for a part or a book, 2 for a chapter, 3 for a section; 0: no such word and number.
uint8_t numbered_level(std::string_view paragraph) {
    static constexpr std::string_view kWords[] = {"part",   "book",  "volume", "act",    "chapter",
                                                  "letter", "canto", "scene",  "section"};
    std::string lower(paragraph.substr(0, 10));
    for (char& c : lower) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    for (size_t i = 0; i < std::size(kWords); ++i) {
        const std::string_view word = kWords[i];
        if (!lower.starts_with(word) || lower.size() <= word.size() || lower[word.size()] != ' ') {
            continue;
        }
        return i < 4 ? 1 : i < 8 ? 2 : 3;
    }
    return 0;
}

// Headings of plain text that say so: numbered words, or capitals throughout. 0: another short
// line.
uint8_t plain_heading_level(std::string_view text) {
    if (const uint8_t level = numbered_level(text); level > 0) return level;
    size_t upper = 0, i = 0;
    while (i < text.size()) {
        UChar32 c;
        U8_NEXT(text.data(), i, text.size(), c);
        if (u_islower(c)) return 0;
        upper += u_isupper(c) ? 1 : 0;
    }
    return upper >= 3 ? 3 : 0;
}

}  // namespace

bool looks_like_heading(std::string_view paragraph) {
    if (paragraph.size() > kLongestHeading) return false;
    if (paragraph.find_first_of("\r\n") != std::string_view::npos) return false;
    bool letters = false, lower = false;
    size_t i = 0;
    while (i < paragraph.size()) {
        UChar32 c;
        U8_NEXT(paragraph.data(), i, paragraph.size(), c);
        letters = letters || u_isalnum(c);
        lower = lower || u_islower(c);
    }
    if (!letters) return true;  // "* * *", "-----"
    if (numbered_level(paragraph) > 0) return true;
    if (ends_sentence(paragraph) && lower) return false;
    const UChar32 first = first_character(paragraph);
    return !ends_sentence(paragraph) ? !u_islower(first) && u_isalnum(first)
                                     : u_isalpha(first) && paragraph.back() == '.';
}

PlainTextSource::PlainTextSource(TextWindow& window, const UnitLimits& limits,
                                 PlainTextOptions options, std::string path)
    : window_(window),
      limits_(limits),
      options_(options),
      path_(std::move(path)),
      in_lines_(options.lines_are_paragraphs) {}

Result<bool> PlainTextSource::next(Piece& piece) {
    S3ATTN_TRY(const SpaceRun space, skip_space(window_, position_, path_));
    position_ += space.length;
    if (window_.complete() && position_ >= window_.end()) return false;
    const bool new_page = options_.pages && space.form_feed;
    if (new_page || space.breaks >= cutting_until_) cutting_until_ = 0;
    if ((new_page || space.breaks >= 2) && !options_.lines_are_paragraphs) in_lines_ = false;
    piece = Piece{};
    piece.columns = options_.columns;
    piece.begin = position_;
    piece.barrier = new_page;
    if (cutting_until_ > 0) return take_block(piece);
    if (in_lines_) return take_line(piece);
    return begin_run(piece);
}

Result<bool> PlainTextSource::begin_run(Piece& piece) {
    S3ATTN_TRY(const RegionEnd run,
               find_region_end(window_, position_, kRunSample, 2, options_.pages));
    const uint64_t end = run.found ? run.end : position_ + kRunSample;
    const std::string_view text = window_.view(position_, end);
    const RunShape shape = measure(text, std::max<size_t>(limits_.min_bytes, 1));
    const bool fits = run.found && text.size() <= limits_.max_bytes;
    if (lines_are_long(shape) || (!fits && !is_wrapped_prose(shape))) {
        in_lines_ = true;
        return take_line(piece);
    }
    if (!fits) {
        cutting_until_ = 2;
        return take_block(piece);
    }
    piece.end = position_ = end;
    piece.heading = looks_like_heading(text);
    if (piece.heading) piece.level = plain_heading_level(text);
    return true;
}

// The end of a row, line ends inside quotes aside. Not found within a unit: false.
Result<RegionEnd> PlainTextSource::find_row_end() {
    const size_t limit = limits_.max_bytes + 1;
    S3ATTN_CHECK(window_.ensure(position_ + limit));
    const std::string_view text = window_.view(position_, position_ + limit);
    bool quoted = false, field_begins = true;
    for (size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quoted) {
            if (c == '"' && i + 1 < text.size() && text[i + 1] == '"') {
                ++i;
            } else if (c == '"') {
                quoted = false;
            }
        } else if (c == '"' && field_begins) {
            quoted = true;
        } else if (c == '\n' || c == '\r') {
            return RegionEnd{true, position_ + trim_end(text.substr(0, i)).size()};
        }
        field_begins = c == options_.separator;
    }
    const bool all = window_.complete() && position_ + text.size() >= window_.end() && !quoted;
    return RegionEnd{all, position_ + trim_end(text).size()};
}

Result<bool> PlainTextSource::take_line(Piece& piece) {
    RegionEnd line;
    if (options_.separator != '\0') {
        S3ATTN_TRY(line, find_row_end());
    }
    if (!line.found) {
        S3ATTN_TRY(line,
                   find_region_end(window_, position_, limits_.max_bytes + 1, 1, options_.pages));
    }
    if (!line.found || line.end - position_ > limits_.max_bytes) {
        cutting_until_ = 1;
        return take_block(piece);
    }
    piece.end = position_ = line.end;
    return true;
}

Result<bool> PlainTextSource::take_block(Piece& piece) {
    const size_t limit = block_lookahead(limits_);
    S3ATTN_TRY(const RegionEnd region,
               find_region_end(window_, position_, limit, cutting_until_, options_.pages));
    std::string_view text =
        window_.view(position_, region.found ? region.end : position_ + limit + 4);
    if (!region.found) text = text.substr(0, character_boundary(text, limit));
    const size_t length = first_block_length(text, region.found, limits_);
    piece.cut = true;
    piece.end = position_ = position_ + length;
    return true;
}

}  // namespace s3attn::text
