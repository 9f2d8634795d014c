#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <unordered_map>

#include "text/markup_text.h"

namespace s3attn::text {
namespace {

std::string lower(std::string_view name) {
    std::string result(name);
    for (char& c : result) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return result;
}

using FlagTable = std::unordered_map<std::string_view, uint32_t>;

const FlagTable& html_flags() {
    static const FlagTable table = [] {
        FlagTable flags;
        for (const char* name :
             {"p",       "div",    "section",  "article",    "aside",   "header",   "footer",
              "main",    "nav",    "address",  "ul",         "ol",      "menu",     "dir",
              "dl",      "figure", "hr",       "figcaption", "form",    "fieldset", "blockquote",
              "details", "body",   "summary",  "center",     "dialog",  "legend",   "hgroup",
              "search",  "select", "datalist", "noframes",   "frameset"}) {
            flags[name] = kBlock;
        }
        for (const char* name : {"h1", "h2", "h3", "h4", "h5", "h6"}) {
            flags[name] = kBlock | kHeading;
        }
        for (const char* name : {"pre", "listing", "xmp", "plaintext", "textarea"}) {
            flags[name] = kBlock | kKeepsSpace;
        }
        for (const char* name : {"dt", "dd", "option", "optgroup"}) flags[name] = kBlock | kTight;
        for (const char* name : {"script", "style", "template"}) flags[name] = kNoContent;
        for (const char* name : {"button", "kbd", "img", "input", "area", "object", "video",
                                 "audio", "canvas", "svg", "math", "meter", "progress"}) {
            flags[name] = kApart;
        }
        for (const char* name : {"del", "s", "strike"}) flags[name] = kStruck;
        for (const char* name : {"iframe", "noembed", "noframes"}) {
            flags[name] |= kBlock | kRawText;
        }
        flags["math"] |= kMath;
        flags["ol"] |= kNumbered;
        flags["li"] = kBlock | kTight | kItem;
        flags["table"] = kBlock | kTable;
        flags["tr"] = kBlock | kTight | kRow;
        flags["td"] = flags["th"] = kBlock | kCell;
        flags["caption"] = kBlock | kCaption;
        flags["br"] = kLineBreak;
        flags["sup"] = kSuperscript;
        flags["sub"] = kSubscript;
        flags["q"] = kQuote;
        flags["rt"] = kRubyText;
        flags["rp"] = kRubyParenthesis;
        flags["head"] = kHead;
        flags["title"] = kBlock | kHeading | kTitle;
        return flags;
    }();
    return table;
}

const FlagTable& foreign_flags() {
    static const FlagTable table = {{"svg", kApart},
                                    {"math", kApart | kMath},
                                    {"script", kNoContent},
                                    {"style", kNoContent},
                                    {"annotation", kNoContent},
                                    {"annotation-xml", kNoContent},
                                    {"text", kApart},
                                    {"title", kApart},
                                    {"desc", kApart},
                                    {"mtr", kApart},
                                    {"mtd", kApart},
                                    {"mtext", kApart},
                                    {"msup", kFormula},
                                    {"msub", kFormula},
                                    {"msubsup", kFormula},
                                    {"mfrac", kFormula},
                                    {"munder", kFormula},
                                    {"mover", kFormula},
                                    {"munderover", kFormula}};
    return table;
}

bool has_word(std::string_view list, std::string_view word) {
    for (size_t at = list.find(word); at != list.npos; at = list.find(word, at + 1)) {
        const size_t end = at + word.size();
        const bool begins = at == 0 || list[at - 1] == ' ';
        if (begins && (end == list.size() || list[end] == ' ')) return true;
    }
    return false;
}

std::optional<int64_t> number_of(std::string_view text) {
    int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end == text.data()) return {};
    if (number < -1'000'000'000 || number > 1'000'000'000) return {};
    return number;
}

void read_list(const AttributeGetter& attribute, Element& element) {
    if (element.flags & kItem) {
        element.number = number_of(attribute("value"));
        return;
    }
    element.number = number_of(attribute("start"));
    const std::string_view type = attribute("type");
    if (type == "a" || type == "A" || type == "i" || type == "I") element.number_style = type[0];
    const std::string style = lower(attribute("style"));
    const size_t list = style.find("list-style");
    if (list != style.npos && style.find("none", list) != style.npos) element.number_style = 0;
    if (has_word(lower(attribute("class")), "none")) element.number_style = 0;
}

// Raised and lowered by a style or by what books call such a class.
void read_place(const AttributeGetter& attribute, Element& element) {
    const std::string style = lower(attribute("style"));
    const size_t align = style.find("vertical-align");
    std::string place;
    if (align != style.npos) {
        const std::string_view rest = std::string_view(style).substr(align);
        const std::string_view value = rest.substr(0, rest.find(';'));
        if (value.find("super") != value.npos) place = "super";
        if (value.find("sub") != value.npos) place = "sub";
    }
    const std::string list = lower(attribute("class"));
    const auto is = [&](std::initializer_list<std::string_view> names) {
        return std::any_of(names.begin(), names.end(),
                           [&](std::string_view name) { return has_word(list, name); });
    };
    if (place == "super" || is({"sup", "super", "superscript"})) element.flags |= kSuperscript;
    if (place == "sub" || is({"sub", "subscript"})) element.flags |= kSubscript;
}

void read_attributes(const AttributeGetter& attribute, Element& element) {
    const std::string& name = element.name;
    if (name == "span" || name == "font" || name == "small") read_place(attribute, element);
    if (name == "img" || name == "area") {
        element.inner = attribute("alt");
    } else if (name == "input") {
        const std::string type = lower(attribute("type"));
        if (type == "image") element.inner = attribute("alt");
        // What a page shows in its fields; not passwords, colours, boxes.
        static constexpr std::string_view kShown[] = {"",       "text",   "search", "submit",
                                                      "button", "reset",  "email",  "url",
                                                      "tel",    "number", "date"};
        if (std::find(std::begin(kShown), std::end(kShown), type) != std::end(kShown)) {
            element.inner = attribute("value");
        }
    } else if (name == "optgroup") {
        element.inner = attribute("label");
    } else if (name == "iframe") {
        element.inner_html = attribute("srcdoc");
    } else if (element.flags & (kNumbered | kItem)) {
        read_list(attribute, element);
    } else if (name == "a") {
        const std::string_view href = attribute("href");
        if (href.find('#') != href.npos) element.flags |= kNoteLink;
        if (has_word(attribute("epub:type"), "noteref") ||
            has_word(attribute("role"), "doc-noteref")) {
            element.flags |= kNoteReference;
        }
    }
}

std::string roman(int64_t number) {
    static constexpr std::pair<int, std::string_view> kDigits[] = {
        {1000, "m"}, {900, "cm"}, {500, "d"}, {400, "cd"}, {100, "c"}, {90, "xc"}, {50, "l"},
        {40, "xl"},  {10, "x"},   {9, "ix"},  {5, "v"},    {4, "iv"},  {1, "i"}};
    std::string text;
    for (const auto& [value, digits] : kDigits) {
        for (; number >= value; number -= value) text += digits;
    }
    return text;
}

// a, b, ... z, aa, ab, ...
std::string letters(int64_t number) {
    std::string text;
    for (; number > 0; number = (number - 1) / 26) {
        text.insert(text.begin(), static_cast<char>('a' + (number - 1) % 26));
    }
    return text;
}

}  // namespace

std::string list_number(int64_t number, char style) {
    std::string text;
    if (number > 0 && (style == 'a' || style == 'A')) text = letters(number);
    if (number > 0 && number < 4000 && (style == 'i' || style == 'I')) text = roman(number);
    if (text.empty()) return std::to_string(number);
    if (style == 'A' || style == 'I') {
        for (char& c : text) c = static_cast<char>(c - 'a' + 'A');
    }
    return text;
}

std::string bullet_sign(std::string_view text) {
    text = trim(text);
    if (text.empty()) return {};
    // Letters are those of Wingdings or Symbol, or the "o" that looks like a ring.
    static constexpr std::string_view kAsTheyStand[] = {
        "-", "*", "+", ">", "\u2013", "\u2014", "\u2192", "\u2713", "\u2610", "\u2611"};
    const bool known =
        std::find(std::begin(kAsTheyStand), std::end(kAsTheyStand), text) != std::end(kAsTheyStand);
    return known || text.size() > 4 ? std::string(text) : "\u2022";
}

Element make_element(std::string_view name, bool foreign, const AttributeGetter& attribute) {
    Element element;
    const size_t colon = name.find(':');
    element.name = lower(colon == name.npos ? name : name.substr(colon + 1));
    const FlagTable& table = foreign ? foreign_flags() : html_flags();
    const auto found = table.find(element.name);
    if (found != table.end()) element.flags = found->second;
    if ((element.flags & kHeading) != 0 && element.name.size() == 2) {
        element.level = static_cast<uint8_t>(element.name[1] - '0');
    }
    if (!foreign) read_attributes(attribute, element);
    return element;
}

bool means_layout(uint32_t flags) {
    return (flags & kBlock) != 0 && (flags & (kRow | kCell | kCaption)) == 0;
}

}  // namespace s3attn::text
