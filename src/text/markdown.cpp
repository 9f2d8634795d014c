#include <cmark-gfm-core-extensions.h>
#include <cmark-gfm.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <vector>

#include "text/document_info.h"
#include "text/source_blocks.h"
#include "text/table_text.h"

namespace s3attn::text {
namespace {

constexpr size_t kLongestPrefix = 256;

// Only block structure is wanted. In this copy, inline markup behind the markers that begin a line
// is blanked: parsing it can take quadratic time, and nothing here reads it. Lengths and line ends
// stay.
std::string without_inlines(std::string_view markdown) {
    constexpr std::string_view kMarkers = " \t>#*+-_=`~|:<0123456789.)";
    constexpr std::string_view kInline = "[]*_!<&`\\~";
    std::string copy(markdown);
    size_t line = 0;
    bool in_prefix = true;
    for (size_t i = 0; i < copy.size(); ++i) {
        if (copy[i] == '\n' || copy[i] == '\r') {
            line = i + 1;
            in_prefix = true;
            continue;
        }
        in_prefix =
            in_prefix && i - line < kLongestPrefix && kMarkers.find(copy[i]) != kMarkers.npos;
        if (!in_prefix && kInline.find(copy[i]) != kInline.npos) copy[i] = 'x';
    }
    return copy;
}

// Where each line begins, and one past the end.
std::vector<uint64_t> line_starts(std::string_view text) {
    std::vector<uint64_t> starts = {0};
    for (size_t i = 0; i < text.size(); ++i) {
        const bool cr = text[i] == '\r' && !(i + 1 < text.size() && text[i + 1] == '\n');
        if (cr || text[i] == '\n') starts.push_back(i + 1);
    }
    if (starts.back() != text.size()) starts.push_back(text.size());
    return starts;
}

struct NodeFreer {
    void operator()(cmark_node* node) const { cmark_node_free(node); }
};
struct ParserFreer {
    void operator()(cmark_parser* parser) const { cmark_parser_free(parser); }
};

class BlockCollector {
  public:
    BlockCollector(std::string_view text, size_t max_bytes)
        : text_(text), starts_(line_starts(text)), max_bytes_(max_bytes) {}

    std::vector<Block> collect(cmark_node* document) {
        // Depth-first without recursion; containers that fit into a unit stay whole.
        cmark_node* node = cmark_node_first_child(document);
        while (node != nullptr) {
            cmark_node* inside = too_long(node) ? first_block_child(node) : nullptr;
            if (inside != nullptr) {
                node = inside;
                continue;
            }
            add(node);
            while (node != document && cmark_node_next(node) == nullptr) {
                node = cmark_node_parent(node);
            }
            node = node == document ? nullptr : cmark_node_next(node);
        }
        add_uncovered(line_count());
        return std::move(blocks_);
    }

  private:
    size_t line_count() const { return starts_.size() - 1; }

    static cmark_node* first_block_child(cmark_node* node) {
        const cmark_node_type type = cmark_node_get_type(node);
        const bool container =
            type == CMARK_NODE_LIST || type == CMARK_NODE_ITEM || type == CMARK_NODE_BLOCK_QUOTE;
        return container ? cmark_node_first_child(node) : nullptr;
    }

    // The lines [first, last) of a node, 0-based, without those that are taken already.
    std::pair<size_t, size_t> lines_of(cmark_node* node) const {
        const auto first = static_cast<size_t>(std::max(cmark_node_get_start_line(node), 1) - 1);
        const auto last = static_cast<size_t>(std::max(cmark_node_get_end_line(node), 0));
        const size_t begin = std::clamp(first, next_line_, std::max(next_line_, line_count()));
        return {begin, std::clamp(last, begin, std::max(begin, line_count()))};
    }

    bool too_long(cmark_node* node) const {
        const auto [first, last] = lines_of(node);
        return last > first && starts_[last] - starts_[first] > max_bytes_;
    }

    void add(cmark_node* node) {
        const auto [first, last] = lines_of(node);
        // The positions of an item that follows a nested list can begin too early; nothing is lost:
        // lines are taken in order, and those that no block names become blocks of their own.
        add_uncovered(first);
        const cmark_node_type type = cmark_node_get_type(node);
        Block block;
        block.heading = type == CMARK_NODE_HEADING || type == CMARK_NODE_THEMATIC_BREAK;
        const std::string_view name = cmark_node_get_type_string(node);
        block.table = name == "table";
        block.lines = type == CMARK_NODE_CODE_BLOCK || type == CMARK_NODE_HTML_BLOCK || block.table;
        if (type == CMARK_NODE_HEADING) {
            block.level = static_cast<uint8_t>(cmark_node_get_heading_level(node));
        }
        if (block.table) block.columns = columns_in(first);
        add_lines(first, last, block);
    }

    // Link definitions, mostly, which cmark takes out of its tree.
    void add_uncovered(size_t end) {
        while (next_line_ < end) {
            size_t last = next_line_;
            while (last < end && !is_blank(last)) ++last;
            if (last > next_line_) {
                Block block;
                block.lines = true;
                add_lines(next_line_, last, block);
            }
            next_line_ = std::max(next_line_, last);
            while (next_line_ < end && is_blank(next_line_)) ++next_line_;
        }
    }

    // The names in a table's first line.
    std::shared_ptr<const std::string> columns_in(size_t line) const {
        std::string_view row = trim(text_.substr(starts_[line], starts_[line + 1] - starts_[line]));
        if (row.starts_with('|')) row.remove_prefix(1);
        if (row.ends_with('|')) row.remove_suffix(1);
        std::vector<std::string_view> cells;
        while (!row.empty()) {
            const size_t end = std::min(row.find('|'), row.size());
            cells.push_back(trim(row.substr(0, end)));
            row.remove_prefix(std::min(end + 1, row.size()));
        }
        return std::make_shared<const std::string>(columns_of(cells));
    }

    bool is_blank(size_t line) const {
        return trim(text_.substr(starts_[line], starts_[line + 1] - starts_[line])).empty();
    }

    void add_lines(size_t first, size_t last, Block block) {
        if (last <= first) return;
        const std::string_view lines = text_.substr(starts_[first], starts_[last] - starts_[first]);
        const std::string_view trimmed = trim(lines);
        next_line_ = last;
        if (trimmed.empty()) return;
        block.begin = static_cast<uint64_t>(trimmed.data() - text_.data());
        block.end = block.begin + trimmed.size();
        blocks_.push_back(block);
    }

    std::string_view text_;
    std::vector<uint64_t> starts_;
    size_t max_bytes_;
    std::vector<Block> blocks_;
    size_t next_line_ = 0;  // the first that no block has taken
};

Result<std::vector<Block>> find_blocks(std::string_view text, size_t max_bytes,
                                       DocumentHeader& header) {
    static std::once_flag registered;
    std::call_once(registered, [] { cmark_gfm_core_extensions_ensure_registered(); });
    const std::unique_ptr<cmark_parser, ParserFreer> parser(cmark_parser_new(CMARK_OPT_DEFAULT));
    if (cmark_syntax_extension* table = cmark_find_syntax_extension("table")) {
        cmark_parser_attach_syntax_extension(parser.get(), table);
    }
    std::string copy = without_inlines(text);
    // Front matter is no Markdown: blank for the parser, a block of its own.
    const size_t front = read_front_matter(text, header);
    for (size_t i = 0; i < front; ++i) {
        if (copy[i] != '\n' && copy[i] != '\r') copy[i] = ' ';
    }
    cmark_parser_feed(parser.get(), copy.data(), copy.size());
    const std::unique_ptr<cmark_node, NodeFreer> document(cmark_parser_finish(parser.get()));
    if (!document) {
        return make_error(ErrorCode::kInternal, header.path + ": Markdown gave no document");
    }
    return BlockCollector(text, max_bytes).collect(document.get());
}

}  // namespace

// The parser gives places only; the text itself is then streamed from the file like plain text.
OpenResult open_markdown(OpenRequest request) {
    return open_in_blocks(
        std::move(request), "Markdown",
        [](std::string_view text, const UnitLimits& limits, DocumentHeader& header) {
            return find_blocks(text, limits.max_bytes, header);
        });
}

}  // namespace s3attn::text
