#include "text/xlsx_cells.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "text/script_marks.h"
#include "text/whitespace.h"
#include "text/xml_parts.h"

namespace s3attn::text {
namespace {

// Numbers as people write them: 0.1, not 0.10000000000000001.
std::string shortest(double value) {
    char buffer[40];
    std::snprintf(buffer, sizeof buffer, "%.15g", value);
    return buffer;
}

struct Day {
    int64_t year = 0;
    unsigned month = 0, day = 0;
};
// A day counted from 1970-01-01 (Hinnant's civil calendar).
Day civil(int64_t days) {
    days += 719468;
    const int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    const auto doe = static_cast<unsigned>(days - era * 146097);
    const unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    const unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    const unsigned mp = (5 * doy + 2) / 153;
    Day day;
    day.day = doy - (153 * mp + 2) / 5 + 1;
    day.month = mp < 10 ? mp + 3 : mp - 9;
    day.year = static_cast<int64_t>(yoe) + era * 400 + (day.month <= 2 ? 1 : 0);
    return day;
}

std::string clock(double part) {
    const auto seconds = static_cast<int64_t>(std::llround(part * 86400));
    char buffer[40];
    if (seconds % 60 == 0) {
        std::snprintf(buffer, sizeof buffer, "%02lld:%02lld",
                      static_cast<long long>(seconds / 3600),
                      static_cast<long long>(seconds / 60 % 60));
    } else {
        std::snprintf(
            buffer, sizeof buffer, "%02lld:%02lld:%02lld", static_cast<long long>(seconds / 3600),
            static_cast<long long>(seconds / 60 % 60), static_cast<long long>(seconds % 60));
    }
    return buffer;
}

}  // namespace

uint32_t column_of(std::string_view reference) {
    uint32_t column = 0;
    for (const char c : reference.substr(0, 4)) {
        if (c < 'A' || c > 'Z') break;
        column = column * 26 + static_cast<uint32_t>(c - 'A' + 1);
    }
    return column == 0 ? 0 : column - 1;
}

std::string rich_text(const pugi::xml_node& node) {
    std::string text;
    ScriptMarks marks(text);
    for (const pugi::xml_node& child : node.children()) {
        const std::string_view name = local_name(child);
        if (name == "t") text += child.text().get();
        if (name != "r") continue;
        const std::string added = child_named(child, "t").text().get();
        const std::string place =
            attribute_named(child_named(child_named(child, "rPr"), "vertAlign"), "val");
        const bool above = place == "superscript", apart = above || place == "subscript";
        using Kind = ScriptMarks::Kind;
        if (apart) marks.open(above ? Kind::kSuperscript : Kind::kSubscript);
        if (!apart && space_run(added).length == 0) marks.before(added);
        text += added;
        if (apart) marks.close();
    }
    return text;
}

void XlsxCells::read_strings(const pugi::xml_node& table) {
    for (const pugi::xml_node& item : table.children()) {
        if (local_name(item) == "si") strings_.push_back(rich_text(item));
    }
}

// What a number format shows: quoted text, colours and locales aside.
XlsxCells::Form XlsxCells::form_of(std::string_view code) {
    bool date = false, time = false, percent = false;
    for (size_t i = 0; i < code.size(); ++i) {
        const char c = code[i];
        if (c == ';') break;  // the form of negative numbers
        if (c == '"') {
            i = std::min(code.find('"', i + 1), code.size());
        } else if (c == '[') {
            const size_t end = std::min(code.find(']', i), code.size());
            const std::string_view inside = code.substr(i + 1, end - i - 1);
            time = time || inside.find_first_not_of("hmsHMS") == inside.npos;
            i = end;
        } else if (c == '\\' || c == '_' || c == '*') {
            ++i;
        } else if (c == '%') {
            percent = true;
        } else if (c == 'y' || c == 'Y' || c == 'd' || c == 'D') {
            date = true;
        } else if (c == 'h' || c == 'H' || c == 's' || c == 'S') {
            time = true;
        }
    }
    if (percent) return Form::kPercent;
    if (date && time) return Form::kDateTime;
    return date ? Form::kDate : time ? Form::kTime : Form::kPlain;
}

void XlsxCells::read_styles(const pugi::xml_node& styles) {
    std::map<int, Form> custom;
    for (const pugi::xml_node& format : child_named(styles, "numFmts").children()) {
        custom[std::atoi(attribute_named(format, "numFmtId").c_str())] =
            form_of(attribute_named(format, "formatCode"));
    }
    for (const pugi::xml_node& style : child_named(styles, "cellXfs").children()) {
        const int id = std::atoi(attribute_named(style, "numFmtId").c_str());
        Form form = Form::kPlain;
        if (const auto found = custom.find(id); found != custom.end()) {
            form = found->second;
        } else if (id == 9 || id == 10) {
            form = Form::kPercent;
        } else if (id >= 14 && id <= 17) {
            form = Form::kDate;
        } else if ((id >= 18 && id <= 21) || (id >= 45 && id <= 47)) {
            form = Form::kTime;
        } else if (id == 22) {
            form = Form::kDateTime;
        }
        forms_.push_back(form);
    }
}

std::string XlsxCells::number(const std::string& value, size_t style) const {
    char* end = nullptr;
    const double number = std::strtod(value.c_str(), &end);
    if (end == value.c_str() || *end != '\0' || !std::isfinite(number)) return value;
    const Form form = style < forms_.size() ? forms_[style] : Form::kPlain;
    if (form == Form::kPlain) return shortest(number);
    if (form == Form::kPercent) return shortest(number * 100) + "%";
    // The years 1900 to 9999.
    if (number < 0 || number >= 2958466) return shortest(number);
    double whole = std::floor(number);
    double part = number - whole;
    if (part * 86400 >= 86399.5) {
        whole += 1;
        part = 0;
    }
    if (form == Form::kTime) return clock(part + whole);
    // 1900 counts as a leap year there.
    const int64_t first = from_1904_ ? -24107 : whole < 61 ? -25568 : -25569;
    const Day day = civil(static_cast<int64_t>(whole) + first);
    char buffer[40];
    std::snprintf(buffer, sizeof buffer, "%04lld-%02u-%02u", static_cast<long long>(day.year),
                  day.month, day.day);
    std::string text = buffer;
    if (form == Form::kDateTime && part > 0) text += " " + clock(part);
    return text;
}

std::string XlsxCells::text_of(const pugi::xml_node& cell, uint64_t* uncomputed) const {
    const std::string type = attribute_named(cell, "t");
    if (type == "inlineStr") return rich_text(child_named(cell, "is"));
    const pugi::xml_node value_node = child_named(cell, "v");
    const std::string value = value_node.text().get();
    if (!value_node && child_named(cell, "f")) ++*uncomputed;
    if (type == "s") {
        const auto index = static_cast<size_t>(std::strtoull(value.c_str(), nullptr, 10));
        return index < strings_.size() && !value.empty() ? strings_[index] : std::string();
    }
    if (type == "b") return value == "1" ? "TRUE" : "FALSE";
    if (type == "str" || type == "e" || type == "d" || value.empty()) return value;
    const std::string style = attribute_named(cell, "s");
    return number(value, static_cast<size_t>(std::strtoull(style.c_str(), nullptr, 10)));
}

}  // namespace s3attn::text
