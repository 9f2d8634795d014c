#include <algorithm>

#include "text/html.h"

namespace s3attn::text {
namespace {

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == ':' || c == '.';
}

// Where the tag that begins at `at` ends: its '>', not one inside of quotes. npos: nowhere.
size_t tag_end(std::string_view text, size_t at) {
    char quote = '\0';
    // A quote that is never closed must not take the rest of the document.
    const size_t limit = std::min(text.size(), at + (1 << 20));
    for (size_t i = at; i < limit; ++i) {
        if (quote != '\0') {
            if (text[i] == quote) quote = '\0';
        } else if (text[i] == '"' || text[i] == '\'') {
            quote = text[i];
        } else if (text[i] == '>') {
            return i;
        }
    }
    return text.find('>', at);
}

size_t behind(std::string_view text, size_t from, std::string_view end) {
    const size_t at = text.find(end, from);
    return at == text.npos ? text.size() : at + end.size();
}

size_t doctype_end(std::string_view text, size_t at) {
    const size_t close = text.find('>', at), subset = text.find('[', at);
    if (subset >= close) return close == text.npos ? text.size() : close + 1;
    const size_t end = text.find("]", subset);
    return end == text.npos ? text.size() : behind(text, end, ">");
}

void append_escaped(std::string& out, std::string_view text) {
    for (const char c : text) {
        if (c == '<') {
            out += "&lt;";
        } else if (c == '&') {
            out += "&amp;";
        } else {
            out += c;
        }
    }
}

// Line ends of what is left out stay, so that lines count as in the source.
void append_line_ends(std::string& out, std::string_view text) {
    out.append(static_cast<size_t>(std::count(text.begin(), text.end(), '\n')), '\n');
}

bool is_void(std::string_view name) {
    static constexpr std::string_view kVoid[] = {"area",  "base",   "br",    "col",  "embed",
                                                 "hr",    "img",    "input", "link", "meta",
                                                 "param", "source", "track", "wbr"};
    return std::find(std::begin(kVoid), std::end(kVoid), name) != std::end(kVoid);
}

}  // namespace

std::string xhtml_as_html(std::string_view xhtml) {
    std::string html;
    html.reserve(xhtml.size());
    constexpr std::string_view kCdata = "<![CDATA[";
    for (size_t at = 0; at < xhtml.size();) {
        const size_t open = std::min(xhtml.find('<', at), xhtml.size());
        html += xhtml.substr(at, open - at);
        at = open;
        const std::string_view rest = xhtml.substr(at);
        size_t end = at;
        if (rest.empty()) break;
        if (rest.starts_with("<!--")) {
            end = behind(xhtml, at, "-->");
            html += xhtml.substr(at, end - at);
        } else if (rest.starts_with(kCdata)) {
            end = behind(xhtml, at, "]]>");
            std::string_view inside = xhtml.substr(at, end - at).substr(kCdata.size());
            if (inside.ends_with("]]>")) inside.remove_suffix(3);
            append_escaped(html, inside);
        } else if (rest.starts_with("<?") || rest.starts_with("<!")) {
            end = rest.starts_with("<?") ? behind(xhtml, at, "?>") : doctype_end(xhtml, at);
            append_line_ends(html, xhtml.substr(at, end - at));
        } else if (rest.size() > 1 && is_name_character(rest[1])) {
            const size_t close = tag_end(xhtml, at);
            end = close == xhtml.npos ? xhtml.size() : close + 1;
            size_t name = 1;
            while (name < rest.size() && is_name_character(rest[name])) ++name;
            const std::string_view called = rest.substr(1, name - 1);
            std::string_view tag = xhtml.substr(at, end - at);
            const bool empty = tag.ends_with("/>") && !is_void(called);
            if (empty) tag.remove_suffix(2);
            html += tag;
            if (empty) html += "></" + std::string(called) + ">";
            if (!empty && (called == "script" || called == "style")) {  // no markup inside
                const size_t stop = xhtml.find("</" + std::string(called), end);
                const size_t inside = std::min(stop, xhtml.size()) - end;
                html += xhtml.substr(end, inside);
                end += inside;
            }
        } else {
            html += '<';
            end = at + 1;
        }
        at = end;
    }
    return html;
}

}  // namespace s3attn::text
