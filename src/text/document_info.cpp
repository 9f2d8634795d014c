#include "text/document_info.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

#include "text/extracted_text.h"
#include "text/xml_parts.h"

namespace s3attn::text {
namespace {

constexpr size_t kMostProperties = 100;
constexpr size_t kLongestValue = 1000;
constexpr size_t kLongestFrontMatter = 64 << 10;

std::string lower(std::string_view text) {
    std::string copy(text);
    for (char& c : copy) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return copy;
}

// The digits in front; -1 where there are none, or too many.
int number_in_front(std::string_view& text, size_t most) {
    size_t length = 0;
    while (length < text.size() && text[length] >= '0' && text[length] <= '9') ++length;
    int value = -1;
    if (length == 0 || length > most) return -1;
    std::from_chars(text.data(), text.data() + length, value);
    text.remove_prefix(length);
    return value;
}

std::string made_date(int year, int month, int day, std::string_view rest) {
    static constexpr int kDays[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 || day > kDays[month - 1]) {
        return {};
    }
    char buffer[48];
    std::snprintf(buffer, sizeof buffer, "%04d-%02d-%02d", year, month, day);
    std::string date = buffer;
    const size_t digit = std::min(rest.find_first_of("0123456789"), rest.size());
    std::string_view time = rest.substr(digit);
    const int hour = number_in_front(time, 2);
    if (digit > 2 || hour < 0 || hour > 24 || !time.starts_with(':')) return date;
    time.remove_prefix(1);
    const int minute = number_in_front(time, 2);
    int second = 0;
    if (time.starts_with(':')) {
        time.remove_prefix(1);
        second = number_in_front(time, 2);
    }
    if (minute < 0 || minute > 59 || second < 0 || second > 60) return date;
    std::snprintf(buffer, sizeof buffer, "T%02d:%02d:%02d", hour, minute, second);
    return date + buffer;
}

int month_named(std::string_view word) {
    static constexpr std::array<std::string_view, 12> kMonths = {
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"};
    const std::string name = lower(word.substr(0, 3));
    const auto found = std::find(kMonths.begin(), kMonths.end(), name);
    return found == kMonths.end() || word.size() < 3
               ? 0
               : static_cast<int>(found - kMonths.begin()) + 1;
}

// "Mon, 3 May 2021 10:00:00 +0200", "3 May 2021", "May 3, 2021".
std::string worded_date(std::string_view text) {
    int day = -1, month = 0;
    while (!text.empty()) {
        const size_t begin = std::min(text.find_first_not_of(" ,.\t"), text.size());
        text.remove_prefix(begin);
        const size_t end = std::min(text.find_first_of(" ,\t"), text.size());
        std::string_view word = text.substr(0, end);
        text.remove_prefix(end);
        std::string_view digits = word;
        if (month_named(word) > 0 && month == 0) {
            month = month_named(word);
        } else if (const int number = number_in_front(digits, 4); number >= 0) {
            if (day < 0 && number <= 31) {
                day = number;
            } else if (day >= 0 && month > 0) {
                return made_date(number < 70    ? number + 2000
                                 : number < 100 ? number + 1900
                                                : number,
                                 month, day, text);
            } else {
                return {};
            }
        } else if (day >= 0 && month == 0) {
            return {};
        }
    }
    return {};
}

// Without quotes around it and a comment behind it.
std::string plain_value(std::string_view value) {
    value = trim(value);
    if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'')) {
        const size_t end = value.find(value.front(), 1);
        if (end != value.npos) return std::string(value.substr(1, end - 1));
    }
    if (const size_t comment = value.find(" #"); comment != value.npos) {
        value = trim(value.substr(0, comment));
    }
    if (!value.starts_with('[') || !value.ends_with(']')) return std::string(value);
    value = value.substr(1, value.size() - 2);  // a list
    std::string all;
    while (!value.empty()) {
        const size_t end = std::min(value.find(','), value.size());
        const std::string one = plain_value(value.substr(0, end));
        if (!one.empty()) all += (all.empty() ? "" : ", ") + one;
        value.remove_prefix(std::min(end + 1, value.size()));
    }
    return all;
}

}  // namespace

std::string iso_date(std::string_view text) {
    text = trim(text);
    if (text.starts_with("D:")) text.remove_prefix(2);  // PDF: D:20210503100000
    std::string_view rest = text;
    if (rest.size() >= 8 &&
        std::all_of(rest.begin(), rest.begin() + 8, [](char c) { return c >= '0' && c <= '9'; })) {
        std::string spaced(rest.substr(0, 4));
        for (size_t i = 4; i + 1 < std::min<size_t>(rest.size(), 14); i += 2) {
            spaced += (i < 8 ? "-" : i == 8 ? "T" : ":") + std::string(rest.substr(i, 2));
        }
        return iso_date(spaced);
    }
    const int year = number_in_front(rest, 4);
    if (year > 31 && !rest.empty() && std::string_view("-/.").find(rest.front()) != rest.npos) {
        rest.remove_prefix(1);
        const int month = number_in_front(rest, 2);
        if (rest.empty() || month < 0) return made_date(year, month, 1, {});
        rest.remove_prefix(1);
        const int day = number_in_front(rest, 2);
        return made_date(year, month, day < 0 ? 1 : day, rest);
    }
    return worded_date(text);
}

void set_property(DocumentHeader& header, std::string_view key, std::string_view value) {
    std::string plain;
    append_collapsed(plain, value);
    plain = trim(plain);
    const std::string name = lower(trim(key));
    if (plain.empty() || name.empty()) return;
    if (plain.size() > kLongestValue) plain.resize(character_boundary(plain, kLongestValue));
    if (name == "title") {
        if (header.title.empty()) header.title = plain;
    } else if (name == "date" || name == "modified" || name == "updated" || name == "created") {
        const std::string date = iso_date(plain);
        // The date itself wins over when it was written, that over when it was begun.
        if (!date.empty() && (header.date.empty() || name == "date")) header.date = date;
    }
    if (header.properties.size() < kMostProperties) header.properties.emplace(name, plain);
}

size_t read_front_matter(std::string_view text, DocumentHeader& header) {
    const bool yaml = text.starts_with("---\n") || text.starts_with("---\r\n");
    const bool toml = text.starts_with("+++\n") || text.starts_with("+++\r\n");
    if (!yaml && !toml) return 0;
    const std::string_view rule = text.substr(0, 3);
    size_t at = text.find('\n') + 1;
    std::vector<std::pair<std::string, std::string>> found;
    while (at < std::min(text.size(), kLongestFrontMatter)) {
        const size_t end = std::min(text.find('\n', at), text.size());
        const std::string_view raw = trim_end(text.substr(at, end - at));
        at = std::min(end + 1, text.size());
        if (raw == rule || (yaml && raw == "...")) {
            for (const auto& [key, value] : found) set_property(header, key, value);
            return at;
        }
        const size_t mark = raw.find(yaml ? ':' : '=');
        const std::string_view line = trim(raw);
        if (yaml && line.starts_with("- ") && !found.empty()) {
            std::string& list = found.back().second;
            list += (list.empty() ? "" : ", ") + plain_value(line.substr(2));
        } else if (mark != raw.npos && !raw.empty() && raw.front() != ' ' && raw.front() != '#') {
            found.emplace_back(raw.substr(0, mark), plain_value(raw.substr(mark + 1)));
        }
    }
    return 0;  // a line across the page, and no front matter
}

void read_field_lines(std::string_view text, std::string_view mark, DocumentHeader& header) {
    constexpr int kLines = 60;
    for (int i = 0; i < kLines && !text.empty(); ++i) {
        const size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = trim(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        if (!line.starts_with(mark)) continue;
        line.remove_prefix(mark.size());
        const size_t colon = line.find(':');
        const std::string_view key = line.substr(0, colon);
        if (colon == line.npos || key.empty() || key.find_first_of(" `\t") != key.npos) continue;
        std::string_view value = trim(line.substr(colon + 1));
        if (value.starts_with('<') && value.ends_with('>')) {  // of Org: <2021-05-03 Mon>
            value = value.substr(1, value.size() - 2);
        }
        set_property(header, key, value);
    }
}

void read_properties(const pugi::xml_node& root, DocumentHeader& header) {
    // What is asked for under one name, whatever the format calls it.
    struct Name {
        std::string_view element, property;
    };
    static constexpr Name kNames[] = {{"title", "title"},
                                      {"creator", "author"},
                                      {"initial-creator", "author"},
                                      {"subject", "subject"},
                                      {"keywords", "keywords"},
                                      {"keyword", "keywords"},
                                      {"description", "description"},
                                      {"category", "category"},
                                      {"date", "date"},
                                      {"language", "language"},
                                      {"publisher", "publisher"},
                                      {"company", "company"},
                                      {"manager", "manager"},
                                      {"status", "status"},
                                      {"modified", "modified"},
                                      {"creation-date", "created"},
                                      {"created", "created"}};
    for (const pugi::xml_node& node : root.children()) {
        const std::string element = lower(local_name(node));
        const auto* const known =
            std::find_if(std::begin(kNames), std::end(kNames),
                         [&](const Name& name) { return name.element == element; });
        if (known != std::end(kNames)) {
            set_property(header, known->property, node.text().get());
        } else if (element == "property") {  // custom, of OOXML
            set_property(header, attribute_named(node, "name"), node.first_child().text().get());
        } else if (element == "user-defined") {  // custom, of OpenDocument
            set_property(header, attribute_named(node, "name"), node.text().get());
        }
    }
}

void read_office_properties(ZipArchive& archive, DocumentHeader& header) {
    for (const char* part : {"docProps/core.xml", "docProps/custom.xml", "docProps/app.xml"}) {
        pugi::xml_document document;
        const std::string entry = archive.find(part);
        if (entry.empty() || !parse_entry(archive, header.path, entry, document).ok()) continue;
        read_properties(document.document_element(), header);
    }
    pugi::xml_document document;
    const std::string entry = archive.find("meta.xml");
    if (entry.empty() || !parse_entry(archive, header.path, entry, document).ok()) return;
    read_properties(child_named(document.document_element(), "meta"), header);
}

}  // namespace s3attn::text
