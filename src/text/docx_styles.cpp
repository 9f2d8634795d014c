#include "text/docx_styles.h"

#include <algorithm>
#include <cstdlib>

#include "text/markup_text.h"
#include "text/xml_parts.h"

namespace s3attn::text {
namespace {

constexpr int kLongestChain = 32;  // of styles based on styles

std::string value_of(const pugi::xml_node& parent, std::string_view name) {
    return attribute_named(child_named(parent, name), "val");
}

int64_t number_in(const std::string& text, int64_t otherwise) {
    if (text.empty()) return otherwise;
    return std::clamp<int64_t>(std::strtoll(text.c_str(), nullptr, 10), -1'000'000, 1'000'000'000);
}

bool is_on(const pugi::xml_node& node) {
    if (node.empty()) return false;
    const std::string value = attribute_named(node, "val");
    return value != "0" && value != "false" && value != "off";
}

std::string ordinal(int64_t number) {
    const int64_t tens = number % 100, ones = number % 10;
    const bool teen = tens >= 11 && tens <= 13;
    const char* ending = teen        ? "th"
                         : ones == 1 ? "st"
                         : ones == 2 ? "nd"
                         : ones == 3 ? "rd"
                                     : "th";
    return std::to_string(number) + ending;
}

// As Word counts with letters: a, b, ... z, aa, bb.
std::string repeated_letter(int64_t number, char first) {
    if (number < 1 || number > 26 * 30) return std::to_string(number);
    return std::string(static_cast<size_t>((number - 1) / 26 + 1),
                       static_cast<char>(first + (number - 1) % 26));
}

std::string formatted(int64_t number, const std::string& format) {
    if (format == "upperRoman") return list_number(number, 'I');
    if (format == "lowerRoman") return list_number(number, 'i');
    if (format == "upperLetter") return repeated_letter(number, 'A');
    if (format == "lowerLetter") return repeated_letter(number, 'a');
    if (format == "ordinal") return ordinal(number);
    if (format == "none") return {};
    if (format == "decimalZero" && number >= 0 && number < 10) return "0" + std::to_string(number);
    return std::to_string(number);
}

}  // namespace

template <class Found>
void DocxStyles::walk_style(const std::string& id, const Found& found) const {
    auto style = styles_.find(id);
    for (int steps = 0; style != styles_.end() && steps < kLongestChain; ++steps) {
        if (found(style->first, style->second)) return;
        style = styles_.find(style->second.based_on);
    }
}

void DocxStyles::read_styles(const pugi::xml_node& styles) {
    for (const pugi::xml_node& node : styles.children()) {
        if (local_name(node) != "style") continue;
        Style style;
        style.based_on = value_of(node, "basedOn");
        const pugi::xml_node properties = child_named(node, "pPr");
        const pugi::xml_node numbering = child_named(properties, "numPr");
        style.number = value_of(numbering, "numId");
        style.level = static_cast<int>(number_in(value_of(numbering, "ilvl"), -1));
        style.outline = static_cast<int>(number_in(value_of(properties, "outlineLvl"), -1));
        style.vertical = value_of(child_named(node, "rPr"), "vertAlign");
        const std::string id = attribute_named(node, "styleId");
        const std::string is_default = attribute_named(node, "default");
        if (attribute_named(node, "type") == "paragraph" &&
            (is_default == "1" || is_default == "true")) {
            default_style_ = id;
        }
        styles_[id] = std::move(style);
    }
}

DocxStyles::Level DocxStyles::read_level(const pugi::xml_node& node) {
    Level level;
    level.defined = true;
    level.start = number_in(value_of(node, "start"), 0);
    if (const std::string format = value_of(node, "numFmt"); !format.empty()) level.format = format;
    level.text = value_of(node, "lvlText");
    level.style = value_of(node, "pStyle");
    level.legal = is_on(child_named(node, "isLgl"));
    level.restart = static_cast<int>(number_in(value_of(node, "lvlRestart"), -1));
    return level;
}

void DocxStyles::read_numbering(const pugi::xml_node& numbering) {
    const auto level_number = [](const pugi::xml_node& node) {
        return static_cast<int>(number_in(attribute_named(node, "ilvl"), -1));
    };
    for (const pugi::xml_node& node : numbering.children()) {
        if (local_name(node) == "abstractNum") {
            const std::string id = attribute_named(node, "abstractNumId");
            List& list = lists_[id];
            list.style_link = value_of(node, "numStyleLink");
            const std::string style = value_of(node, "styleLink");
            if (!style.empty()) style_lists_[style] = id;
            for (const pugi::xml_node& child : node.children()) {
                const int level = level_number(child);
                if (local_name(child) != "lvl" || level < 0 || level >= kLevels) continue;
                list.levels[static_cast<size_t>(level)] = read_level(child);
            }
        } else if (local_name(node) == "num") {
            Number& number = numbers_[attribute_named(node, "numId")];
            number.list = value_of(node, "abstractNumId");
            for (const pugi::xml_node& child : node.children()) {
                const int level = level_number(child);
                if (local_name(child) != "lvlOverride" || level < 0 || level >= kLevels) continue;
                const pugi::xml_node own = child_named(child, "lvl");
                if (!own.empty()) number.levels[level] = read_level(own);
                const std::string start = value_of(child, "startOverride");
                if (!start.empty()) number.starts[level] = number_in(start, 1);
            }
        }
    }
}

const DocxStyles::List* DocxStyles::list_of(const std::string& id) const {
    auto list = lists_.find(id);
    if (list == lists_.end()) return nullptr;
    const auto linked = style_lists_.find(list->second.style_link);
    if (linked != style_lists_.end()) {
        const auto other = lists_.find(linked->second);
        if (other != lists_.end()) list = other;
    }
    return &list->second;
}

DocxStyles::Level DocxStyles::level_of(const Number& number, int level) const {
    const auto own = number.levels.find(level);
    if (own != number.levels.end()) return own->second;
    const List* list = list_of(number.list);
    return list == nullptr ? Level{} : list->levels[static_cast<size_t>(level)];
}

// The paragraph's own list and level, else its style's; a style may leave the level to the list,
// which names the style in turn.
DocxStyles::Place DocxStyles::place_of(const pugi::xml_node& properties) const {
    const pugi::xml_node own = child_named(properties, "numPr");
    Place place{value_of(own, "numId"), static_cast<int>(number_in(value_of(own, "ilvl"), -1))};
    const bool own_level = place.level >= 0;
    std::string style = value_of(properties, "pStyle");
    if (style.empty()) style = default_style_;
    std::string naming;  // the style that brings the number
    walk_style(style, [&](const std::string& id, const Style& found) {
        if (place.number.empty() && !found.number.empty()) {
            place.number = found.number;
            naming = id;
        }
        if (place.level < 0 && found.level >= 0) place.level = found.level;
        return !place.number.empty() && place.level >= 0;
    });
    const auto number = numbers_.find(place.number);
    if (!naming.empty() && !own_level && number != numbers_.end()) {
        // Where a level names the paragraph's style or the one that it is based on, it is that one.
        bool found = false;
        walk_style(style, [&](const std::string& id, const Style&) {
            for (int level = 0; level < kLevels && !found; ++level) {
                if (level_of(number->second, level).style != id) continue;
                place.level = level;
                found = true;
            }
            return found || id == naming;
        });
    }
    place.level = std::clamp(place.level, 0, kLevels - 1);
    return place;
}

std::string DocxStyles::next_number(const pugi::xml_node& properties) {
    const Place place = place_of(properties);
    const auto found = numbers_.find(place.number);
    if (found == numbers_.end()) return {};  // 0 takes the style's number away
    const Number& number = found->second;
    std::vector<int64_t>& counts = counts_[number.list];
    std::vector<bool>& started = started_[place.number];
    // Held one higher, so that 0 says that a level has not begun.
    if (counts.empty()) counts.assign(kLevels, 0);
    if (started.empty()) started.assign(kLevels, false);
    const auto start_of = [&](int level) {
        const auto own = number.starts.find(level);
        return own != number.starts.end() ? own->second : level_of(number, level).start;
    };
    for (int level = 0; level <= place.level; ++level) {
        const auto at = static_cast<size_t>(level);
        const bool overrides = !started[at] && number.starts.contains(level);
        if (overrides && (level == place.level || counts[at] == 0)) {
            counts[at] = start_of(level) + 1;
            started[at] = true;
        } else if (counts[at] == 0) {
            counts[at] = start_of(level) + 1;
        } else if (level == place.level) {
            ++counts[at];
        }
    }
    for (int level = place.level + 1; level < kLevels; ++level) {
        const int restart = level_of(number, level).restart;
        const bool stays = restart == 0 || (restart > 0 && place.level + 1 > restart);
        if (!stays) counts[static_cast<size_t>(level)] = 0;
    }
    return render(number, place.level, counts);
}

std::string DocxStyles::render(const Number& number, int level,
                               const std::vector<int64_t>& counts) const {
    const Level shape = level_of(number, level);
    if (!shape.defined) return {};
    if (shape.format == "bullet") return bullet_sign(shape.text);
    std::string text;
    for (size_t i = 0; i < shape.text.size(); ++i) {
        const char next = i + 1 < shape.text.size() ? shape.text[i + 1] : '\0';
        if (shape.text[i] != '%' || next < '1' || next > '9') {
            text += shape.text[i];
            continue;
        }
        ++i;
        const int named = next - '1';
        const std::string format = shape.legal ? "decimal" : level_of(number, named).format;
        const int64_t count = counts[static_cast<size_t>(named)];
        text += formatted(count == 0 ? 0 : count - 1, format);
    }
    return std::string(trim(text));
}

uint8_t DocxStyles::heading_level(const pugi::xml_node& properties) const {
    const auto named = [](const std::string& style) -> uint8_t {
        if (style == "Title" || style == "Subtitle") return kTitleLevel;
        if (!style.starts_with("Heading") && !style.starts_with("heading")) return 0;
        const size_t digit = style.find_first_of("123456789");
        return digit == style.npos ? 1 : static_cast<uint8_t>(style[digit] - '0');
    };
    const pugi::xml_node outline = child_named(properties, "outlineLvl");
    if (!outline.empty()) {
        const auto level = number_in(attribute_named(outline, "val"), 0);
        return level >= 0 && level < 9 ? static_cast<uint8_t>(level + 1) : 0;
    }
    uint8_t heading = named(value_of(properties, "pStyle"));
    walk_style(value_of(properties, "pStyle"), [&](const std::string& id, const Style& style) {
        if (heading == 0 && style.outline >= 0 && style.outline < 9) {
            heading = static_cast<uint8_t>(style.outline + 1);
        }
        if (heading == 0) heading = named(id);
        return heading > 0;
    });
    return heading;
}

bool DocxStyles::is_struck(const pugi::xml_node& properties) {
    return is_on(child_named(properties, "strike")) || is_on(child_named(properties, "dstrike"));
}

std::string DocxStyles::vertical_place(const pugi::xml_node& properties) const {
    std::string place = value_of(properties, "vertAlign");
    if (place.empty()) {
        walk_style(value_of(properties, "rStyle"), [&](const std::string&, const Style& style) {
            place = style.vertical;
            return !place.empty();
        });
    }
    if (!place.empty()) return place == "baseline" ? std::string() : place;
    // Raised by hand, in half points.
    constexpr int64_t kRaised = 4;
    const int64_t raised = number_in(value_of(properties, "position"), 0);
    return raised >= kRaised ? "superscript" : raised <= -kRaised ? "subscript" : "";
}

}  // namespace s3attn::text
