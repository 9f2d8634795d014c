#include "text/odf_styles.h"

#include <algorithm>
#include <cstdlib>

#include "text/markup_text.h"
#include "text/xml_parts.h"

namespace s3attn::text {
namespace {

constexpr int kDeepest = 20;        // styles that rest on others
constexpr size_t kMostLevels = 16;  // of a list

}  // namespace

void OdfStyles::read_levels(const pugi::xml_node& style, List& list) {
    for (const pugi::xml_node& node : style.children()) {
        const std::string_view name = local_name(node);
        const bool bullet = name == "list-level-style-bullet";
        if (!bullet && name != "list-level-style-number" && name != "outline-level-style") continue;
        const int number = std::atoi(attribute_named(node, "level").c_str());
        if (number < 1 || static_cast<size_t>(number) > kMostLevels) continue;
        Level& level = list.levels[static_cast<size_t>(number) - 1];
        const std::string format = attribute_named(node, "num-format");
        level.format = !bullet && format.size() == 1 ? format[0] : '\0';
        if (bullet) level.bullet = bullet_sign(attribute_named(node, "bullet-char"));
        level.prefix = attribute_named(node, "num-prefix");
        level.suffix = attribute_named(node, "num-suffix");
        const std::string start = attribute_named(node, "start-value");
        if (!start.empty()) level.start = std::atoll(start.c_str());
        const int shown = std::atoi(attribute_named(node, "display-levels").c_str());
        level.shown_levels = static_cast<size_t>(std::max(shown, 1));
    }
}

void OdfStyles::read(const pugi::xml_node& root) {
    for (const char* part : {"styles", "automatic-styles"}) {
        for (const pugi::xml_node& node : child_named(root, part).children()) {
            const std::string_view name = local_name(node);
            if (name == "list-style") {
                read_levels(node, lists_[attribute_named(node, "name")]);
            } else if (name == "outline-style") {
                read_levels(node, outline_);
            } else if (name == "style" && attribute_named(node, "family") == "text") {
                Text& text = texts_[attribute_named(node, "name")];
                text.parent = attribute_named(node, "parent-style-name");
                const pugi::xml_node look = child_named(node, "text-properties");
                const std::string place = attribute_named(look, "text-position");
                // "super 58%", "33% 58%", "-33% 58%".
                if (place.starts_with("super")) {
                    text.place = "superscript";
                } else if (place.starts_with("sub")) {
                    text.place = "subscript";
                } else if (const int percent = std::atoi(place.c_str()); percent != 0) {
                    text.place = percent > 0 ? "superscript" : "subscript";
                }
                const std::string line = attribute_named(look, "text-line-through-style");
                text.struck = !line.empty() && line != "none";
            }
        }
    }
}

std::string OdfStyles::vertical_place(const std::string& text_style) const {
    auto style = texts_.find(text_style);
    for (int depth = 0; style != texts_.end() && depth < kDeepest; ++depth) {
        if (!style->second.place.empty()) return style->second.place;
        style = texts_.find(style->second.parent);
    }
    return {};
}

bool OdfStyles::is_struck(const std::string& text_style) const {
    const auto style = texts_.find(text_style);
    return style != texts_.end() && style->second.struck;
}

std::string OdfStyles::next(List& list, size_t level, int64_t start) {
    if (level >= kMostLevels) return {};
    // Levels below begin anew.
    const bool fresh = list.counts.size() <= level;
    list.counts.resize(level + 1, 0);
    const auto begin = [&](size_t each) {
        const auto known = list.levels.find(each);
        return known != list.levels.end() ? known->second.start : 1;
    };
    list.counts[level] = start > 0 ? start : fresh ? begin(level) : list.counts[level] + 1;
    const auto found = list.levels.find(level);
    if (found == list.levels.end()) return {};
    if (found->second.format == 0) return found->second.bullet;
    const Level& own = found->second;
    std::string number;
    const size_t first = level + 1 - std::min(own.shown_levels, level + 1);
    for (size_t each = first; each <= level; ++each) {
        const auto style = list.levels.find(each);
        if (style == list.levels.end() || style->second.format == 0) continue;
        const int64_t count = list.counts[each] > 0 ? list.counts[each] : begin(each);
        if (!number.empty()) number += '.';
        number += list_number(count, style->second.format);
    }
    return own.prefix + number + own.suffix;
}

std::string OdfStyles::next_number(const std::string& list_style, size_t level, bool restart,
                                   int64_t start) {
    const auto list = lists_.find(list_style);
    if (list == lists_.end()) return {};
    if (restart) list->second.counts.clear();
    return next(list->second, level, start);
}

std::string OdfStyles::next_heading_number(size_t level) { return next(outline_, level, 0); }

}  // namespace s3attn::text
