#include "text/html.h"

#include <gumbo.h>

#include <algorithm>
#include <memory>

namespace s3attn::text {
namespace {

// Deeper nesting is no document; gumbo needs quadratic time for it.
constexpr int64_t kMostOpenElements = 20000;

bool has_children(const GumboNode* node) {
    return node->type == GUMBO_NODE_ELEMENT || node->type == GUMBO_NODE_DOCUMENT ||
           node->type == GUMBO_NODE_TEMPLATE;
}

bool is_element(const GumboNode* node) {
    return node->type == GUMBO_NODE_ELEMENT || node->type == GUMBO_NODE_TEMPLATE;
}

const GumboVector* children_of(const GumboNode* node) {
    if (node->type == GUMBO_NODE_DOCUMENT) return &node->v.document.children;
    return &node->v.element.children;
}

// Steps to the node after `node` in document order inside `root`, calling `leave` for each element
// that is left. A loop, not recursion: nesting is the document's choice.
template <class Leave>
const GumboNode* next_node(const GumboNode* node, const GumboNode* root, const Leave& leave) {
    if (has_children(node) && children_of(node)->length > 0) {
        return static_cast<const GumboNode*>(children_of(node)->data[0]);
    }
    for (;;) {
        if (has_children(node)) leave(node);
        if (node == root || node->parent == nullptr) return nullptr;
        const GumboVector* siblings = children_of(node->parent);
        const size_t next = node->index_within_parent + 1;
        if (next < siblings->length) return static_cast<const GumboNode*>(siblings->data[next]);
        node = node->parent;
    }
}

// Elements that gumbo does not know keep their name only in the source.
std::string_view name_of(const GumboElement& element) {
    if (element.tag != GUMBO_TAG_UNKNOWN) return gumbo_normalized_tagname(element.tag);
    GumboStringPiece piece = element.original_tag;
    if (piece.data == nullptr) return {};
    gumbo_tag_from_original_text(&piece);
    return {piece.data, piece.length};
}

Element element_of(const GumboElement& element) {
    const auto attribute = [&](const char* name) -> std::string_view {
        const GumboAttribute* found = gumbo_get_attribute(&element.attributes, name);
        return found == nullptr ? std::string_view() : std::string_view(found->value);
    };
    const bool foreign = element.tag_namespace != GUMBO_NAMESPACE_HTML;
    return make_element(name_of(element), foreign, attribute);
}

// A table of data becomes one line per row; a table that holds paragraphs, lists or tables is
// there for layout, and its cells are blocks.
bool is_data_table(const GumboNode* table) {
    const auto nothing = [](const GumboNode*) {};
    for (const GumboNode* node = next_node(table, table, nothing); node != nullptr;
         node = next_node(node, table, nothing)) {
        if (is_element(node) && means_layout(element_of(node->v.element).flags)) return false;
    }
    return true;
}

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == ':';
}

std::string lower_name(std::string_view html, size_t at) {
    std::string name;
    while (at < html.size() && is_name_character(html[at]) && name.size() < 24) {
        const char c = html[at++];
        name += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return name;
}

// Elements that HTML closes by itself, or that hold nothing, do not nest without end.
bool nests(const std::string& name) {
    static constexpr std::string_view kFlat[] = {
        "area",  "base", "body",  "br", "col",   "dd",   "dt",     "embed", "head",  "hr",
        "html",  "img",  "input", "li", "link",  "meta", "option", "p",     "param", "source",
        "tbody", "td",   "tfoot", "th", "thead", "tr",   "track",  "wbr"};
    return std::find(std::begin(kFlat), std::end(kFlat), name) == std::end(kFlat);
}

// How many elements are open at once, at most; an estimate from tags alone.
int64_t deepest_nesting(std::string_view html) {
    int64_t open = 0, deepest = 0;
    for (size_t at = html.find('<'); at != html.npos; at = html.find('<', at + 1)) {
        const bool closing = at + 1 < html.size() && html[at + 1] == '/';
        const std::string name = lower_name(html, at + (closing ? 2 : 1));
        if (name.empty() || !nests(name)) continue;
        open = closing ? std::max<int64_t>(open - 1, 0) : open + 1;
        deepest = std::max(deepest, open);
    }
    return deepest;
}

struct OutputDestroyer {
    void operator()(GumboOutput* output) const {
        gumbo_destroy_output(&kGumboDefaultOptions, output);
    }
};

class HtmlReader {
  public:
    HtmlReader(const std::string& name, const HtmlOptions& options, ExtractedText& out)
        : name_(name), text_(options, out) {}

    Status read(std::string_view html) {
        S3ATTN_CHECK(parse(html, 0));
        text_.finish();
        return {};
    }

  private:
    // `frame_line`: of the frame whose content this is; 0: the document itself.
    Status parse(std::string_view html, uint32_t frame_line) {
        if (deepest_nesting(html) > kMostOpenElements) {
            return make_error(ErrorCode::kUnsupported,
                              name_ + ": more than " + std::to_string(kMostOpenElements) +
                                  " HTML elements are nested in each other; convert it to plain "
                                  "text");
        }
        GumboOptions settings = kGumboDefaultOptions;
        settings.max_errors = 0;
        const std::unique_ptr<GumboOutput, OutputDestroyer> output(
            gumbo_parse_with_options(&settings, html.data(), html.size()));
        if (!output) return make_error(ErrorCode::kCorrupt, name_ + ": cannot be parsed as HTML");
        const auto leave = [this](const GumboNode* node) {
            if (is_element(node)) text_.close();
        };
        for (const GumboNode* node = output->document; node != nullptr;
             node = next_node(node, output->document, leave)) {
            S3ATTN_CHECK(enter(node, frame_line));
        }
        return {};
    }

    Status enter(const GumboNode* node, uint32_t frame_line) {
        if (is_element(node)) {
            const GumboElement& source = node->v.element;
            Element element = element_of(source);
            const uint32_t line = frame_line > 0 ? frame_line : source.start_pos.line;
            if (element.flags & kTable) element.data_table = is_data_table(node);
            text_.open(element, line);
            if (element.inner_html.empty() || frame_line > 0 || text_.skipping()) return {};
            return parse(element.inner_html, line);
        }
        if (node->type != GUMBO_NODE_TEXT && node->type != GUMBO_NODE_WHITESPACE &&
            node->type != GUMBO_NODE_CDATA) {
            return {};
        }
        const GumboText& text = node->v.text;
        const uint32_t line = frame_line > 0 ? frame_line : text.start_pos.line;
        // What stands in a frame for programs without frames is HTML that the parser left alone.
        if (frame_line == 0 && holds_raw_html(node->parent) && !text_.skipping()) {
            return parse(text.text, line);
        }
        text_.text(text.text, line);
        return {};
    }

    static bool holds_raw_html(const GumboNode* parent) {
        return parent != nullptr && parent->type == GUMBO_NODE_ELEMENT &&
               (element_of(parent->v.element).flags & kRawText) != 0;
    }

    const std::string& name_;
    MarkupText text_;
};

}  // namespace

Status extract_html(std::string_view html, const std::string& name, const HtmlOptions& options,
                    ExtractedText& out) {
    return HtmlReader(name, options, out).read(html);
}

}  // namespace s3attn::text
