#include "text/table_text.h"

#include <algorithm>
#include <charconv>
#include <set>

namespace s3attn::text {
namespace {

constexpr size_t kWholeTable = 700;     // a table up to this is one block
constexpr size_t kPart = 512;           // of a longer one: about a unit
constexpr size_t kLongestHeader = 600;  // longer ones are not repeated
constexpr size_t kLongestName = 80;     // a longer cell is no name of a column
constexpr size_t kLongestColumns = 400;

bool has_letter(std::string_view cell) {
    return std::any_of(cell.begin(), cell.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80) != 0;
    });
}

// 0: none.
int year_of(std::string_view cell) {
    int year = 0;
    const auto end = cell.data() + cell.size();
    const auto read = std::from_chars(cell.data(), end, year);
    return cell.size() == 4 && read.ptr == end && year > 1000 ? year : 0;
}

// Without line ends around it; a cell that is empty keeps its tab.
std::string_view trim_lines(std::string_view text) {
    const size_t begin = std::min(text.find_first_not_of("\r\n "), text.size());
    return trim_end(text.substr(begin));
}

}  // namespace

std::vector<std::string_view> cells_of(std::string_view row) {
    std::vector<std::string_view> cells;
    for (;;) {
        const size_t tab = std::min(row.find('\t'), row.size());
        cells.push_back(trim(row.substr(0, tab)));
        if (tab == row.size()) return cells;
        row.remove_prefix(tab + 1);
    }
}

bool reads_like_header(const std::vector<std::string_view>& cells) {
    if (cells.size() < 2) return false;
    std::set<std::string_view> names;
    size_t words = 0;
    int year = 0;
    bool years_follow = true;
    size_t years = 0;
    for (size_t i = 0; i < cells.size(); ++i) {
        const std::string_view cell = cells[i];
        if (cell.empty() && i == 0) continue;  // above the names of the rows
        if (cell.empty() || cell.size() > kLongestName) return false;
        if (!names.insert(cell).second) return false;
        const int this_year = year_of(cell);
        if (this_year > 0) {
            years_follow =
                years_follow && (year == 0 || this_year == year + 1 || this_year == year - 1);
            year = this_year;
            ++years;
        } else if (has_letter(cell)) {
            ++words;
        } else {
            return false;
        }
    }
    if (years == 0) return words > 0;
    return years > 1 && years_follow;
}

std::string columns_of(const std::vector<std::string_view>& cells) {
    std::string columns;
    for (const std::string_view cell : cells) {
        if (columns.size() + cell.size() > kLongestColumns) {
            columns += " | \u2026";
            break;
        }
        if (!columns.empty()) columns += " | ";
        append_collapsed(columns, cell);
    }
    return columns;
}

void TableText::add_row(const std::vector<std::string>& cells, uint32_t line) {
    std::string row;
    for (const std::string& cell : cells) {
        std::string plain;
        append_collapsed(plain, cell);
        row += trim(plain);
        row += '\t';
    }
    row.resize(std::string_view(row).find_last_not_of('\t') + 1);
    if (trim(row).empty()) return;
    if (text_.empty() && row.front() == '\t') row.insert(row.begin(), '-');
    if (!text_.empty()) text_ += '\n';
    if (line > 0) lines_.emplace_back(text_.size(), line);
    text_ += row;
    row_ends_.push_back(text_.size());
}

void TableText::finish(ExtractedText& out) {
    out.add_table(text_, row_ends_, header_rows_, lines_);
    text_.clear();
    row_ends_.clear();
    lines_.clear();
    header_rows_ = 0;
}

// Part of a table with the header in front; the header's place in the source is that of the rows.
void ExtractedText::add_part(std::string_view text, size_t begin, size_t end,
                             std::string_view header, const LineMap& lines) {
    std::string part(header);
    if (!part.empty()) part += '\n';
    const std::string_view rows = text.substr(begin, end - begin);
    const std::string_view trimmed = trim_lines(rows);
    const size_t lead = begin + static_cast<size_t>(trimmed.data() - rows.data());
    LineMap places;
    for (const auto& [place, line] : lines) {
        if (place >= end) break;
        const size_t at = place > lead ? place - lead + part.size() : 0;
        if (!places.empty() && places.back().first == at) places.pop_back();
        places.emplace_back(at, line);
    }
    part += trimmed;
    Kind kind;
    kind.lines = kind.tight = kind.part = true;
    add(part, kind, places);
}

void ExtractedText::add_table(std::string_view text, const std::vector<size_t>& row_ends,
                              size_t header_rows, const LineMap& lines) {
    Kind kind;
    kind.lines = true;
    if (text.size() <= kWholeTable || row_ends.size() < 2) {
        add(text, kind, lines);
        return;
    }
    if (header_rows == 0 && reads_like_header(cells_of(trim_lines(text.substr(0, row_ends[0]))))) {
        header_rows = 1;
    }
    if (header_rows >= row_ends.size()) header_rows = 0;
    std::string_view header;
    if (header_rows > 0) header = trim(text.substr(0, row_ends[header_rows - 1]));
    if (header.size() > kLongestHeader) {
        header = {};
        header_rows = 0;
    }
    size_t begin = header_rows > 0 ? row_ends[header_rows - 1] : 0;
    size_t end = begin;
    for (size_t row = header_rows; row < row_ends.size(); ++row) {
        if (end > begin && header.size() + row_ends[row] - begin > kPart) {
            add_part(text, begin, end, header, lines);
            begin = end;
        }
        end = std::max(end, row_ends[row]);
    }
    add_part(text, begin, std::max(end, text.size()), header, lines);
}

}  // namespace s3attn::text
