#include "text/xhtml.h"

// Without it, expat.h hides the limits of entities, which every build with DTDs has.
#define XML_DTD
#include <expat.h>
#include <gumbo.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <type_traits>

#include "text/whitespace.h"

namespace s3attn::text {
namespace {

// Entities may make a document this much longer, once it is longer than the threshold.
constexpr float kMostAmplification = 4.0F;
constexpr unsigned long long kAmplificationThreshold = 1ull << 20;

// The parser's events, kept until the whole document has proved well-formed, and so that a table
// can be looked at before it is read.
struct Event {
    enum class Type { kOpen, kClose, kText } type;
    uint32_t line;
    size_t begin, end;  // of kText: in the text; of kOpen: begin is the element
};

class XhtmlParser {
  public:
    XhtmlParser() : parser_(XML_ParserCreate("UTF-8")) {
        XML_SetUserData(parser_.get(), this);
        XML_SetElementHandler(parser_.get(), on_open, on_close);
        XML_SetCharacterDataHandler(parser_.get(), on_text);
        XML_SetSkippedEntityHandler(parser_.get(), on_skipped);
        XML_SetExternalEntityRefHandler(parser_.get(), on_external);
        XML_SetBillionLaughsAttackProtectionMaximumAmplification(parser_.get(), kMostAmplification);
        XML_SetBillionLaughsAttackProtectionActivationThreshold(parser_.get(),
                                                                kAmplificationThreshold);
    }

    XhtmlOutcome parse(std::string_view xhtml) {
        constexpr size_t kStep = 1 << 20;
        for (bool last = false; !last;) {
            const std::string_view part = xhtml.substr(0, kStep);
            xhtml.remove_prefix(part.size());
            last = xhtml.empty();
            if (XML_Parse(parser_.get(), part.data(), static_cast<int>(part.size()), last) !=
                XML_STATUS_OK) {
                outcome_.well_formed = false;
                outcome_.problem = XML_ErrorString(XML_GetErrorCode(parser_.get()));
                outcome_.place = "line " + std::to_string(line());
                break;
            }
        }
        return outcome_;
    }

    void replay(const HtmlOptions& options, ExtractedText& out) {
        MarkupText markup(options, out);
        for (size_t i = 0; i < events_.size(); ++i) {
            const Event& event = events_[i];
            switch (event.type) {
                case Event::Type::kOpen: {
                    Element& element = elements_[event.begin];
                    if (element.flags & kTable) element.data_table = is_data_table(i);
                    markup.open(element, event.line);
                    break;
                }
                case Event::Type::kClose: markup.close(); break;
                case Event::Type::kText:
                    markup.text(
                        std::string_view(text_).substr(event.begin, event.end - event.begin),
                        event.line);
            }
        }
        markup.finish();
    }

  private:
    struct Freer {
        void operator()(XML_Parser parser) const { XML_ParserFree(parser); }
    };

    static XhtmlParser& self(void* data) { return *static_cast<XhtmlParser*>(data); }
    uint32_t line() const { return static_cast<uint32_t>(XML_GetCurrentLineNumber(parser_.get())); }

    static void on_open(void* data, const char* name, const char** attributes) {
        XhtmlParser& parser = self(data);
        const auto attribute = [&](std::string_view wanted) -> std::string_view {
            for (const char** entry = attributes; *entry != nullptr; entry += 2) {
                if (wanted == entry[0]) return entry[1];
            }
            return {};
        };
        const std::vector<bool>& foreign = parser.foreign_;
        const bool outer = !foreign.empty() && foreign.back();
        Element element = make_element(name, outer, attribute);
        const bool into = element.name == "svg" || element.name == "math";
        if (outer && into) element = make_element(name, false, attribute);
        parser.foreign_.push_back((outer || into) && element.name != "foreignobject");
        // Content that only HTML rules leave unparsed has been parsed here.
        element.flags &= ~static_cast<uint32_t>(kRawText);
        if (!element.inner_html.empty()) parser.add_frame(element);
        parser.events_.push_back({Event::Type::kOpen, parser.line(), parser.elements_.size(), 0});
        parser.elements_.push_back(std::move(element));
    }

    // srcdoc is HTML whoever holds it: read apart, its text stands in the frame.
    void add_frame(Element& element) {
        ExtractedText inner;
        if (extract_html(element.inner_html, {}, {false, false}, inner).ok()) {
            element.inner = inner.text();
        }
        element.inner_html.clear();
    }

    static void on_close(void* data, const char*) {
        XhtmlParser& parser = self(data);
        parser.foreign_.pop_back();
        parser.events_.push_back({Event::Type::kClose, parser.line(), 0, 0});
    }

    static void on_text(void* data, const char* text, int length) {
        self(data).add_text({text, static_cast<size_t>(length)});
    }

    void add_text(std::string_view text) {
        const bool goes_on = !events_.empty() && events_.back().type == Event::Type::kText;
        if (!goes_on) events_.push_back({Event::Type::kText, line(), text_.size(), 0});
        text_ += text;
        events_.back().end = text_.size();
    }

    // A name that nobody has declared shows as it stands, as in a browser.
    static void on_skipped(void* data, const char* name, int is_parameter) {
        if (is_parameter == 0) self(data).add_text("&" + std::string(name) + ";");
    }

    static int on_external(XML_Parser expat, const char* context, const char*, const char*,
                           const char*) {
        if (context == nullptr) return XML_STATUS_OK;  // the DTD
        XhtmlParser& parser = self(XML_GetUserData(expat));
        const std::string name(context);
        if (parser.outcome_.unresolved++ == 0) {
            parser.outcome_.first_unresolved = name.substr(0, name.find('\f'));
        }
        return XML_STATUS_OK;
    }

    bool is_data_table(size_t table) const {
        size_t depth = 0;
        for (size_t i = table; i < events_.size(); ++i) {
            if (events_[i].type == Event::Type::kText) continue;
            if (events_[i].type == Event::Type::kClose) {
                if (--depth == 0) return true;
                continue;
            }
            if (depth++ > 0 && means_layout(elements_[events_[i].begin].flags)) return false;
        }
        return true;
    }

    std::unique_ptr<std::remove_pointer_t<XML_Parser>, Freer> parser_;
    std::vector<Event> events_;
    std::vector<Element> elements_;
    std::string text_;
    std::vector<bool> foreign_;  // of the open elements: inside svg or math
    XhtmlOutcome outcome_;
};

bool is_name_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// The character of an HTML entity, as the HTML parser knows it; empty where it knows none.
std::string html_entity(const std::string& name) {
    const std::string html = "<p>&" + name + ";";
    GumboOutput* output = gumbo_parse_with_options(&kGumboDefaultOptions, html.data(), html.size());
    if (output == nullptr) return {};
    std::string text;
    const GumboNode* node = output->root;
    while (node->type == GUMBO_NODE_ELEMENT && node->v.element.children.length > 0) {
        const GumboVector& children = node->v.element.children;
        node = static_cast<const GumboNode*>(children.data[children.length - 1]);
    }
    if (node->type == GUMBO_NODE_TEXT || node->type == GUMBO_NODE_WHITESPACE) {
        text = node->v.text.text;
    }
    gumbo_destroy_output(&kGumboDefaultOptions, output);
    return text.starts_with("&" + name) ? std::string() : text;
}

// Names that the document declares itself.
std::set<std::string> declared_entities(std::string_view subset) {
    std::set<std::string> names = {"amp", "lt", "gt", "quot", "apos"};
    constexpr std::string_view kDeclaration = "<!ENTITY";
    for (size_t at = subset.find(kDeclaration); at != subset.npos;
         at = subset.find(kDeclaration, at + 1)) {
        size_t begin = at + kDeclaration.size();
        while (begin < subset.size() && whitespace_length(subset.substr(begin)) > 0) ++begin;
        size_t end = begin;
        while (end < subset.size() && is_name_byte(subset[end])) ++end;
        names.emplace(subset.substr(begin, end - begin));
    }
    return names;
}

// Where the root element begins: behind the DOCTYPE and its own declarations.
size_t prologue_end(std::string_view xhtml) {
    const size_t doctype = xhtml.find("<!DOCTYPE");
    if (doctype == xhtml.npos) return 0;
    const size_t close = xhtml.find('>', doctype), subset = xhtml.find('[', doctype);
    if (subset == xhtml.npos || subset > close) return std::min(close, xhtml.size());
    const size_t end = xhtml.find("]", subset);
    size_t last = end;  // of the subset: the last ']' in front of a '>' with nothing between
    while (last != xhtml.npos) {
        size_t after = last + 1;
        while (after < xhtml.size() && whitespace_length(xhtml.substr(after)) > 0) ++after;
        if (after < xhtml.size() && xhtml[after] == '>') return after;
        last = xhtml.find(']', last + 1);
    }
    return 0;
}

size_t skip_to(std::string_view text, size_t from, std::string_view end) {
    const size_t at = text.find(end, from);
    return at == text.npos ? text.size() : at + end.size();
}

}  // namespace

std::string resolve_html_entities(std::string_view xhtml) {
    const size_t prologue = prologue_end(xhtml);
    const std::set<std::string> declared = declared_entities(xhtml.substr(0, prologue));
    std::map<std::string, std::string> known;
    std::string result;
    result.reserve(xhtml.size());
    size_t copied = 0;
    for (size_t at = xhtml.find_first_of("&<", prologue); at < xhtml.size();
         at = xhtml.find_first_of("&<", at)) {
        const std::string_view rest = xhtml.substr(at);
        if (xhtml[at] == '<') {
            ++at;
            if (rest.starts_with("<!--")) at = skip_to(xhtml, at, "-->");
            if (rest.starts_with("<![CDATA[")) at = skip_to(xhtml, at, "]]>");
            continue;
        }
        size_t end = 1;
        while (end < rest.size() && end <= 32 && is_name_byte(rest[end])) ++end;
        const std::string name(rest.substr(1, end - 1));
        at += end;
        if (name.empty() || end >= rest.size() || rest[end] != ';' || declared.contains(name)) {
            continue;
        }
        auto entry = known.find(name);
        if (entry == known.end()) {
            if (known.size() >= 4096) continue;  // no language has so many
            entry = known.emplace(name, html_entity(name)).first;
        }
        if (entry->second.empty()) continue;
        result += xhtml.substr(copied, at - end - copied);
        for (const char c : entry->second) {
            result += c == '<' ? "&lt;" : c == '&' ? "&amp;" : std::string(1, c);
        }
        copied = at + 1;
    }
    result += xhtml.substr(copied);
    return result;
}

XhtmlOutcome extract_xhtml(std::string_view xhtml, const HtmlOptions& options, ExtractedText& out) {
    XhtmlParser parser;
    const std::string resolved = resolve_html_entities(xhtml);
    // White space in front of the declaration is forbidden, and harmless.
    std::string_view document = resolved;
    if (document.find("<?xml") != 0) document = trim(document);
    const XhtmlOutcome outcome = parser.parse(document);
    if (outcome.well_formed) parser.replay(options, out);
    return outcome;
}

}  // namespace s3attn::text
