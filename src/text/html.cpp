#include "text/html.h"

#include <gumbo.h>

#include <algorithm>
#include <memory>

#include "text/encoding.h"

namespace s3attn::text {
namespace {

// Deeper nesting is no document; gumbo needs quadratic time for it.
constexpr int64_t kMostOpenElements = 20000;

bool is_one_of(GumboTag tag, std::initializer_list<GumboTag> tags) {
    return std::find(tags.begin(), tags.end(), tag) != tags.end();
}

bool is_skipped(GumboTag tag) {
    return is_one_of(tag, {GUMBO_TAG_SCRIPT, GUMBO_TAG_STYLE, GUMBO_TAG_NAV, GUMBO_TAG_NOSCRIPT,
                           GUMBO_TAG_TEMPLATE, GUMBO_TAG_SVG, GUMBO_TAG_IFRAME, GUMBO_TAG_OBJECT,
                           GUMBO_TAG_SELECT, GUMBO_TAG_TEXTAREA, GUMBO_TAG_HEAD});
}

bool is_heading(GumboTag tag) { return tag >= GUMBO_TAG_H1 && tag <= GUMBO_TAG_H6; }

bool is_block(GumboTag tag) {
    return is_heading(tag) ||
           is_one_of(
               tag,
               {GUMBO_TAG_P,          GUMBO_TAG_DIV,        GUMBO_TAG_SECTION, GUMBO_TAG_ARTICLE,
                GUMBO_TAG_ASIDE,      GUMBO_TAG_HEADER,     GUMBO_TAG_FOOTER,  GUMBO_TAG_MAIN,
                GUMBO_TAG_ADDRESS,    GUMBO_TAG_UL,         GUMBO_TAG_OL,      GUMBO_TAG_LI,
                GUMBO_TAG_DL,         GUMBO_TAG_DT,         GUMBO_TAG_DD,      GUMBO_TAG_FIGURE,
                GUMBO_TAG_FIGCAPTION, GUMBO_TAG_BLOCKQUOTE, GUMBO_TAG_PRE,     GUMBO_TAG_HR,
                GUMBO_TAG_TABLE,      GUMBO_TAG_CAPTION,    GUMBO_TAG_FORM,    GUMBO_TAG_FIELDSET,
                GUMBO_TAG_DETAILS,    GUMBO_TAG_SUMMARY,    GUMBO_TAG_BODY,    GUMBO_TAG_TR,
                GUMBO_TAG_TD,         GUMBO_TAG_TH,         GUMBO_TAG_CENTER,  GUMBO_TAG_TITLE,
                GUMBO_TAG_PLAINTEXT,  GUMBO_TAG_LISTING,    GUMBO_TAG_XMP});
}

bool keeps_space(GumboTag tag) {
    return is_one_of(tag, {GUMBO_TAG_PRE, GUMBO_TAG_LISTING, GUMBO_TAG_XMP, GUMBO_TAG_PLAINTEXT});
}

bool has_children(const GumboNode* node) {
    return node->type == GUMBO_NODE_ELEMENT || node->type == GUMBO_NODE_DOCUMENT ||
           node->type == GUMBO_NODE_TEMPLATE;
}

const GumboVector* children_of(const GumboNode* node) {
    if (node->type == GUMBO_NODE_DOCUMENT) return &node->v.document.children;
    return &node->v.element.children;
}

std::string compact_lower(const char* value) {
    std::string compact;
    for (; *value != '\0'; ++value) {
        if (*value == ' ' || *value == '\t' || *value == '\n') continue;
        const bool upper = *value >= 'A' && *value <= 'Z';
        compact += upper ? static_cast<char>(*value - 'A' + 'a') : *value;
    }
    return compact;
}

bool is_hidden(const GumboElement& element) {
    if (gumbo_get_attribute(&element.attributes, "hidden") != nullptr) return true;
    const GumboAttribute* aria = gumbo_get_attribute(&element.attributes, "aria-hidden");
    if (aria != nullptr && compact_lower(aria->value) == "true") return true;
    const GumboAttribute* style = gumbo_get_attribute(&element.attributes, "style");
    if (style == nullptr) return false;
    const std::string css = compact_lower(style->value);
    return css.find("display:none") != css.npos || css.find("visibility:hidden") != css.npos;
}

// Steps to the node after `node` in document order inside `root`, calling `leave` for each element
// that is left. A loop, not recursion: nesting is the document's choice.
template <class Leave>
const GumboNode* next_node(const GumboNode* node, const GumboNode* root, bool descend,
                           const Leave& leave) {
    if (descend && has_children(node) && children_of(node)->length > 0) {
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

// A table of data becomes one line per row; a table that holds paragraphs, lists or tables is
// there for layout, and its cells are blocks.
bool is_data_table(const GumboNode* table) {
    const auto nothing = [](const GumboNode*) {};
    for (const GumboNode* node = next_node(table, table, true, nothing); node != nullptr;
         node = next_node(node, table, true, nothing)) {
        if (node->type != GUMBO_NODE_ELEMENT) continue;
        const GumboTag tag = node->v.element.tag;
        const bool part =
            is_one_of(tag, {GUMBO_TAG_TR, GUMBO_TAG_TD, GUMBO_TAG_TH, GUMBO_TAG_CAPTION});
        if (is_block(tag) && !part) return false;
    }
    return true;
}

class HtmlWalker {
  public:
    HtmlWalker(const HtmlOptions& options, ExtractedText& out) : options_(options), out_(out) {}

    void walk(const GumboNode* root) {
        const auto leave_node = [this](const GumboNode* node) {
            if (node->type == GUMBO_NODE_ELEMENT) leave(node);
        };
        const GumboNode* node = root;
        while (node != nullptr) {
            const bool descend = enter(node);
            node = next_node(node, root, descend, leave_node);
        }
        flush();
    }

  private:
    bool enter(const GumboNode* node) {
        if (!has_children(node)) {
            if (node->type == GUMBO_NODE_TEXT || node->type == GUMBO_NODE_WHITESPACE ||
                node->type == GUMBO_NODE_CDATA) {
                add_text(node->v.text);
            }
            return false;
        }
        if (node->type == GUMBO_NODE_DOCUMENT) return true;
        const GumboTag tag = node->v.element.tag;
        if (is_skipped(tag) && tag != GUMBO_TAG_HEAD) return false;
        if (tag == GUMBO_TAG_HEAD) return in_head_ = options_.with_title;
        if (in_head_ && tag != GUMBO_TAG_TITLE) return false;
        if (is_hidden(node->v.element)) return false;
        if (tag == GUMBO_TAG_BR) break_line();
        if (data_table_ != nullptr) {
            if (tag == GUMBO_TAG_TD || tag == GUMBO_TAG_TH) begin_cell();
            return true;
        }
        if (is_block(tag)) flush();
        if (tag == GUMBO_TAG_TABLE && is_data_table(node)) data_table_ = node;
        if (is_heading(tag) || tag == GUMBO_TAG_TITLE) kind_.heading = true;
        if (is_one_of(tag, {GUMBO_TAG_LI, GUMBO_TAG_DD, GUMBO_TAG_DT, GUMBO_TAG_TR})) {
            kind_.tight = true;
        }
        if (keeps_space(tag)) ++keep_space_;
        return true;
    }

    void leave(const GumboNode* node) {
        const GumboTag tag = node->v.element.tag;
        if (tag == GUMBO_TAG_HEAD) in_head_ = false;
        if (data_table_ != nullptr && data_table_ != node) {
            if (tag == GUMBO_TAG_TR || tag == GUMBO_TAG_CAPTION) break_line();
            return;
        }
        // An element that was skipped is left too; it opened nothing, so flushing is harmless.
        if (keeps_space(tag) && keep_space_ > 0) {
            kind_.lines = true;
            --keep_space_;
        }
        if (data_table_ == node) {
            kind_.lines = true;
            data_table_ = nullptr;
        }
        if (is_block(tag)) flush();
    }

    void begin_cell() {
        while (text_.ends_with(' ')) text_.pop_back();
        if (!text_.empty() && text_.back() != '\n') text_ += '\t';
    }

    void break_line() {
        while (text_.ends_with(' ') && keep_space_ == 0) text_.pop_back();
        text_ += '\n';
    }

    // Line ends in the decoded text are those of the source.
    void add_text(const GumboText& text) {
        std::string_view rest = text.text;
        uint32_t line = text.start_pos.line;
        while (!rest.empty()) {
            const size_t end = std::min(rest.find('\n'), rest.size() - 1) + 1;
            const std::string_view part = rest.substr(0, end);
            if (options_.with_lines && !trim(part).empty()) lines_.emplace_back(text_.size(), line);
            if (keep_space_ > 0) {
                text_ += part;
            } else {
                append_collapsed(text_, part);
            }
            if (part.ends_with('\n')) ++line;
            rest.remove_prefix(end);
        }
    }

    void flush() {
        out_.add(text_, kind_, lines_);
        text_.clear();
        lines_.clear();
        kind_ = {};
    }

    const HtmlOptions& options_;
    ExtractedText& out_;
    std::string text_;  // of the block being built
    LineMap lines_;
    ExtractedText::Kind kind_;
    const GumboNode* data_table_ = nullptr;
    int keep_space_ = 0;
    bool in_head_ = false;
};

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

}  // namespace

std::string close_empty_elements(std::string_view xhtml) {
    static constexpr std::string_view kRaw[] = {"title",  "script",   "style",    "textarea",
                                                "iframe", "noembed",  "noframes", "noscript",
                                                "xmp",    "plaintext"};
    std::string closed;
    size_t copied = 0;
    for (size_t at = xhtml.find('<'); at != xhtml.npos; at = xhtml.find('<', at + 1)) {
        const std::string name = lower_name(xhtml, at + 1);
        if (std::find(std::begin(kRaw), std::end(kRaw), name) == std::end(kRaw)) continue;
        const size_t end = xhtml.find('>', at);
        if (end == xhtml.npos) break;
        if (xhtml[end - 1] != '/') continue;
        closed += xhtml.substr(copied, end - 1 - copied);
        closed += "></" + name + ">";
        copied = end + 1;
    }
    closed += xhtml.substr(copied);
    return closed;
}

Status extract_html(std::string_view html, const std::string& name, const HtmlOptions& options,
                    ExtractedText& out) {
    if (deepest_nesting(html) > kMostOpenElements) {
        return make_error(ErrorCode::kUnsupported,
                          name + ": more than " + std::to_string(kMostOpenElements) +
                              " HTML elements are nested in each other; convert it to plain text");
    }
    GumboOptions settings = kGumboDefaultOptions;
    settings.max_errors = 0;
    const std::unique_ptr<GumboOutput, OutputDestroyer> output(
        gumbo_parse_with_options(&settings, html.data(), html.size()));
    if (!output) return make_error(ErrorCode::kCorrupt, name + ": cannot be parsed as HTML");
    HtmlWalker(options, out).walk(output->document);
    return {};
}

std::string declared_charset(std::string_view head) {
    std::string lower(head.substr(0, 4096));
    for (char& c : lower) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    size_t at = lower.find("charset");
    size_t skip = 7;
    if (lower.starts_with("<?xml")) {
        const size_t end = std::min(lower.find("?>"), lower.size());
        const size_t encoding = lower.find("encoding");
        if (encoding < end) {
            at = encoding;
            skip = 8;
        }
    }
    if (at == lower.npos) return {};
    at = lower.find_first_not_of(" \t\r\n", at + skip);
    if (at == lower.npos || lower[at] != '=') return {};
    at = lower.find_first_not_of(" \t\r\n\"'", at + 1);
    std::string charset;
    while (at < lower.size() && (is_name_character(lower[at]) || lower[at] == '_')) {
        charset += lower[at++];
    }
    return charset;
}

Result<std::string> decode_whole(const SourceFile& source, const std::string& declared,
                                 uint64_t max_bytes, DocumentHeader& header) {
    S3ATTN_TRY(const TextEncoding encoding, find_encoding(source, declared));
    S3ATTN_TRY(const std::string bytes, source.read_all(max_bytes));
    S3ATTN_TRY(const std::unique_ptr<Decoder> decoder, make_decoder(encoding));
    header.encoding = encoding.name;
    header.source_bytes = encoding.source_bytes;
    header.notes.insert(header.notes.end(), encoding.notes.begin(), encoding.notes.end());
    std::string text;
    const size_t begin = std::min<size_t>(encoding.bom_bytes, bytes.size());
    decoder->decode(std::string_view(bytes).substr(begin), true, text, nullptr);
    return text;
}

OpenResult open_html(OpenRequest request) {
    std::string head(4096, '\0');
    S3ATTN_TRY(const size_t got, request.source->read_at(0, head.data(), head.size()));
    const std::string declared = declared_charset(std::string_view(head).substr(0, got));
    S3ATTN_TRY(std::string html, decode_whole(*request.source, declared,
                                              request.options.max_parse_bytes, request.header));
    if (html.starts_with("<?xml")) html = close_empty_elements(html);
    ExtractedText text;
    S3ATTN_CHECK(extract_html(html, request.header.path, {}, text));
    return text.finish(std::move(request), Place::kMapLines);
}

}  // namespace s3attn::text
