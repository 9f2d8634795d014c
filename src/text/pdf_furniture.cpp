#include "text/pdf_furniture.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

namespace s3attn::text {
namespace {

constexpr size_t kWindow = 4;                       // pages on each side
constexpr size_t kRows = 3;                         // rows of text at each edge
constexpr size_t kMostEdges = 16;                   // lines in them
constexpr size_t kLongestNumber = 8;                // bytes of "- iv -"
constexpr size_t kLongestLine = 300;                // bytes; longer lines are body text
constexpr size_t kFewPages = 4;                     // in a document this short two pages are enough
constexpr float kZone = 0.16f, kOuterZone = 0.08f;  // of the page's height
constexpr float kSameHeight = 3.0f;                 // points
constexpr float kGap = 0.6f;                        // between them and the text, of a line's height

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// "iv" is 4; words of more than one case or other letters are no numbers.
std::optional<int64_t> roman_number(std::string_view word) {
    constexpr std::string_view kLetters = "ivxlcdm";
    constexpr int kValues[] = {1, 5, 10, 50, 100, 500, 1000};
    int64_t sum = 0;
    int previous = 0;
    for (size_t i = word.size(); i-- > 0;) {
        const size_t letter = kLetters.find(word[i]);
        if (letter == kLetters.npos) return std::nullopt;
        const int value = kValues[letter];
        sum += value < previous ? -value : value;
        previous = std::max(previous, value);
    }
    if (word.empty()) return std::nullopt;
    return sum;
}

std::optional<int64_t> number(std::string_view word) {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error == std::errc{} && end == word.data() + word.size()) return value;
    return roman_number(word);
}

// A run of digits, or everything up to the next digit or space, or one space.
std::string_view take_token(std::string_view& text) {
    size_t n = 1;
    if (text.front() != ' ') {
        const bool digit = is_digit(text.front());
        while (n < text.size() && text[n] != ' ' && is_digit(text[n]) == digit) ++n;
    }
    const std::string_view token = text.substr(0, n);
    text.remove_prefix(n);
    return token;
}

}  // namespace

std::string words_of(const PdfLine& line) {
    std::string text;
    for (const PdfWord& word : line.words) {
        if (!text.empty()) text += ' ';
        text += word.text;
    }
    return text;
}

bool same_but_page_number(std::string_view a, size_t a_page, std::string_view b, size_t b_page) {
    const auto pages = static_cast<int64_t>(b_page) - static_cast<int64_t>(a_page);
    while (!a.empty() && !b.empty()) {
        const std::string_view first = take_token(a), second = take_token(b);
        if (first == second) continue;
        const auto one = number(first), other = number(second);
        if (!one || !other || *other - *one != pages) return false;
    }
    return a.empty() && b.empty();
}

void PdfFurniture::compare(Page& earlier, Page& later) const {
    for (Edge& a : earlier.edges) {
        for (Edge& b : later.edges) {
            if (std::fabs(a.top - b.top) > kSameHeight) continue;
            if (!same_but_page_number(a.text, earlier.number, b.text, later.number)) continue;
            ++a.after;
            ++b.before;
            if (a.text != b.text) a.numbered = b.numbered = true;
            break;
        }
    }
}

void PdfFurniture::settle(const Page& page) {
    auto& found = found_.emplace_back();
    const bool few = pages_ <= kFewPages;
    const auto repeats = [&](const Edge& edge) {
        return few ? edge.outer && edge.before + edge.after >= 1 : edge.before + edge.after >= 2;
    };
    // A row counts whole, where all of it repeats or a page's number stands in it, and only behind
    // rows that count: a table at the end of a page loses no cell that happens to repeat.
    size_t begin = 0;
    bool stopped[2] = {false, false};
    while (begin < page.edges.size()) {
        const Edge& first = page.edges[begin];
        size_t end = begin;
        bool all = true, number = false;
        for (; end < page.edges.size() && page.edges[end].row == first.row &&
               page.edges[end].side == first.side;
             ++end) {
            all = all && repeats(page.edges[end]);
            number = number || (page.edges[end].numbered && repeats(page.edges[end]));
        }
        stopped[first.side] = stopped[first.side] || (!all && !number);
        for (; begin < end; ++begin) {
            const Edge& edge = page.edges[begin];
            if (stopped[edge.side]) continue;
            const bool bare_number = edge.numbered && edge.text.size() <= kLongestNumber;
            const bool known = repeats(edge) && (edge.before > 0 || bare_number);
            found.emplace_back(edge.line, known ? Line::kRepeated : Line::kFirst);
        }
    }
}

// The rows of lines at one edge, from outside, up to the first that white space sets apart from the
// next; none where the text has no such gap.
void PdfFurniture::add_edge(const PdfPage& page, const std::vector<uint32_t>& order, size_t side,
                            std::vector<Edge>& edges) {
    std::vector<Edge> found;
    size_t row = 0;
    PdfBox outer;  // of the row so far
    for (const uint32_t index : order) {
        const PdfLine& line = page.lines[index];
        const bool same = row > 0 && std::fabs(line.box.top - outer.top) <= kSameHeight;
        if (!same && row > 0) {
            const float gap = side == 0 ? line.box.top - outer.bottom : outer.top - line.box.bottom;
            if (gap >= kGap * outer.height()) break;
            if (row == kRows) return;
        }
        if (!same) {
            ++row;
            outer = line.box;
        }
        const float distance = side == 0 ? line.box.bottom : page.height - line.box.top;
        std::string text = words_of(line);
        const bool wanted = distance <= page.height * kZone && text.size() <= kLongestLine;
        if (!wanted || found.size() == kMostEdges) return;
        Edge& edge = found.emplace_back();
        edge.line = index;
        edge.side = side;
        edge.row = row;
        edge.top = line.box.top;
        edge.outer = distance <= page.height * kOuterZone;
        edge.text = std::move(text);
    }
    edges.insert(edges.end(), found.begin(), found.end());
}

void PdfFurniture::add(const PdfPage& page) {
    // The outermost rows at both edges.
    std::vector<uint32_t> order(page.lines.size());
    for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
        return page.lines[a].box.top < page.lines[b].box.top;
    });
    Page edges;
    edges.number = pages_++;
    for (const size_t side : {size_t{0}, size_t{1}}) {
        if (side == 1) std::reverse(order.begin(), order.end());
        add_edge(page, order, side, edges.edges);
    }
    for (Page& earlier : window_) compare(earlier, edges);
    window_.push_back(std::move(edges));
    if (window_.size() <= kWindow) return;
    settle(window_.front());
    window_.pop_front();
}

void PdfFurniture::finish() {
    for (const Page& page : window_) settle(page);
    window_.clear();
}

PdfFurniture::Line PdfFurniture::kind(size_t page, size_t line) const {
    if (page >= found_.size()) return Line::kBody;
    for (const auto& [index, kind] : found_[page]) {
        if (index == line) return kind;
    }
    return Line::kBody;
}

}  // namespace s3attn::text
