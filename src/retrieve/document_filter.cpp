#include "retrieve/document_filter.h"

#include <fnmatch.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "s3attn/reason.h"
#include "text/document_info.h"
#include "text/formats.h"

namespace s3attn {
namespace {

Error wrong(const std::string& part, const std::string& message) {
    return make_error(ErrorCode::kInvalidArgument, reason::kFilterWrong, part, message);
}

std::string lower(std::string_view text) {
    std::string copy(text);
    for (char& c : copy) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return copy;
}

std::string_view trimmed(std::string_view text) {
    const size_t begin = std::min(text.find_first_not_of(" \t"), text.size());
    return text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
}

// Without the empty ones and ".".
std::vector<std::string> names_of(std::string_view path) {
    std::vector<std::string> names;
    while (!path.empty()) {
        const size_t end = std::min(path.find('/'), path.size());
        const std::string_view name = path.substr(0, end);
        if (!name.empty() && name != ".") names.emplace_back(name);
        path.remove_prefix(std::min(end + 1, path.size()));
    }
    return names;
}

bool has_wildcard(std::string_view name) { return name.find_first_of("*?[\\") != name.npos; }

using Names = std::vector<std::string>;

// Whether names[n..] is what glob[g..] says, or begins with it where `prefix`.
bool match_names(const Names& glob, size_t g, const Names& names, size_t n, bool prefix) {
    if (g == glob.size()) return prefix || n == names.size();
    if (glob[g] == "**") {
        for (size_t skip = n; skip <= names.size(); ++skip) {
            if (match_names(glob, g + 1, names, skip, prefix)) return true;
        }
        return false;
    }
    return n < names.size() && ::fnmatch(glob[g].c_str(), names[n].c_str(), 0) == 0 &&
           match_names(glob, g + 1, names, n + 1, prefix);
}

// The first moment that a date speaks of; "" for what is none.
std::string first_moment(std::string_view text) {
    const std::string_view given = trimmed(text);
    const bool year = given.size() == 4 && std::all_of(given.begin(), given.end(),
                                                       [](char c) { return c >= '0' && c <= '9'; });
    return text::iso_date(year ? std::string(given) + "-01-01" : std::string(given));
}

Result<std::string> read_date(const std::string& option, const std::string& given) {
    if (given.empty()) return std::string();
    std::string date = first_moment(given);
    if (!date.empty()) return date;
    return wrong(
        option, "'" + given + "' is no date for " + option + ": write 2021-05-03, 2021-05 or 2021");
}

// The format that files of such an ending have; the name itself where it is a format's.
Result<std::string> read_type(const std::string& given) {
    static const std::map<std::string, std::string> kOther = {
        {"txt", "text"},  {"htm", "html"},       {"xhtml", "html"},    {"eml", "mail"},
        {"mbox", "mail"}, {"srt", "subtitles"},  {"vtt", "subtitles"}, {"tsv", "csv"},
        {"tex", "latex"}, {"notebook", "ipynb"}, {"jsonl", "text"},    {"log", "text"}};
    std::string name = lower(trimmed(given));
    if (name.starts_with('.')) name.erase(0, 1);
    const std::vector<std::string> formats = text::format_names();
    if (std::find(formats.begin(), formats.end(), name) != formats.end()) return name;
    if (const auto found = kOther.find(name); found != kOther.end()) return found->second;
    const std::string by_ending = text::format_of_ending(name);
    if (by_ending != "text") return by_ending;
    std::string known;
    for (const std::string& format : formats) known += (known.empty() ? "" : ", ") + format;
    return wrong("type", "'" + given + "' is no type of document; there are: " + known);
}

bool value_is(const std::string& value, const std::string& wanted) {
    if (lower(trimmed(value)) == lower(wanted)) return true;
    return ::fnmatch(lower(wanted).c_str(), lower(trimmed(value)).c_str(), 0) == 0;
}

template <class Names>
std::string listed(const Names& names, size_t most) {
    std::string all;
    size_t told = 0;
    for (const auto& name : names) {
        if (told++ == most) return all + " ...";
        all += (all.empty() ? "" : ", ") + name;
    }
    return all;
}

}  // namespace

Result<DocumentMatcher::Glob> DocumentMatcher::read_glob(const std::string& text) {
    Glob glob;
    glob.text = text;
    glob.names = names_of(text);
    glob.rooted = text.starts_with('/');
    if (glob.names.empty()) {
        return wrong("in", text.empty() ? "a path is chosen by a glob, such as 'notes/*.md'; it is empty"
                                        : "'" + text + "' names no file and no folder");
    }
    for (const std::string& name : glob.names) {
        const size_t open = name.find('[');
        if (open != name.npos && name.find(']', open + 2) == name.npos) {
            return wrong("in", "the glob '" + text + "' has a '[' without its ']'");
        }
        if (name.ends_with('\\') && !name.ends_with("\\\\")) {
            return wrong("in", "the glob '" + text + "' has a '\\' with nothing behind it");
        }
    }
    glob.folder = text.ends_with('/') || !has_wildcard(glob.names.back());
    return glob;
}

Result<DocumentMatcher::Condition> DocumentMatcher::read_condition(const std::string& text) {
    const size_t mark = text.find('=');
    Condition condition{text, {}, {}};
    if (mark != text.npos) {
        condition.key = lower(trimmed(std::string_view(text).substr(0, mark)));
        condition.value = trimmed(std::string_view(text).substr(mark + 1));
    }
    if (condition.key.empty()) {
        return wrong("where", "'" + text + "' is no condition: write key=value, as in author=Ada");
    }
    return condition;
}

Result<DocumentMatcher> DocumentMatcher::make(const DocumentFilter& filter) {
    DocumentMatcher matcher;
    for (const std::string& text : filter.in) {
        S3ATTN_TRY(Glob glob, read_glob(text));
        matcher.globs_.push_back(std::move(glob));
    }
    for (const std::string& type : filter.types) {
        S3ATTN_TRY(std::string format, read_type(type));
        matcher.formats_.push_back(std::move(format));
    }
    S3ATTN_TRY(matcher.from_, read_date("after", filter.after));
    S3ATTN_TRY(matcher.to_, read_date("before", filter.before));
    for (const std::string& text : filter.where) {
        S3ATTN_TRY(Condition condition, read_condition(text));
        matcher.conditions_.push_back(std::move(condition));
    }
    return matcher;
}

bool DocumentMatcher::matches(const Glob& glob, const std::string& path) {
    const std::vector<std::string> names = names_of(path);
    if (glob.rooted) {
        return path.starts_with('/') && match_names(glob.names, 0, names, 0, glob.folder);
    }
    for (size_t begin = 0; begin < names.size(); ++begin) {
        if (match_names(glob.names, 0, names, begin, glob.folder)) return true;
    }
    return false;
}

bool DocumentMatcher::in_place(const DocumentInfo& document) const {
    if (globs_.empty()) return true;
    return std::any_of(globs_.begin(), globs_.end(), [&](const Glob& glob) {
        return matches(glob, document.path) ||
               (glob.rooted && !document.source.empty() && matches(glob, document.source));
    });
}

bool DocumentMatcher::in_time(const DocumentInfo& document) const {
    if (from_.empty() && to_.empty()) return true;
    if (document.date.empty()) return false;
    return (from_.empty() || document.date >= from_) && (to_.empty() || document.date < to_);
}

bool DocumentMatcher::holds(const Condition& condition, const DocumentInfo& document) {
    const auto found = document.properties.find(condition.key);
    std::string value = found != document.properties.end() ? found->second : std::string();
    if (value.empty() && condition.key == "title") value = document.title;
    if (value.empty()) return false;
    if (value_is(value, condition.value)) return true;
    for (std::string_view rest = value; !rest.empty();) {  // a list
        const size_t end = std::min(rest.find(','), rest.size());
        if (value_is(std::string(rest.substr(0, end)), condition.value)) return true;
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return false;
}

bool DocumentMatcher::passes(const DocumentInfo& document) const {
    const bool type = formats_.empty() || std::find(formats_.begin(), formats_.end(),
                                                    document.format) != formats_.end();
    return type && in_place(document) && in_time(document) &&
           std::all_of(conditions_.begin(), conditions_.end(),
                       [&](const Condition& condition) { return holds(condition, document); });
}

Error DocumentMatcher::nothing_left(const std::vector<DocumentInfo>& documents) const {
    constexpr size_t kMost = 12;
    const auto none = [&](const auto& holds) {
        return std::none_of(documents.begin(), documents.end(), holds);
    };
    std::set<std::string> formats, keys;
    std::string first, last;
    for (const DocumentInfo& document : documents) {
        formats.insert(document.format);
        for (const auto& [key, value] : document.properties) keys.insert(key);
        if (document.date.empty()) continue;
        if (first.empty() || document.date < first) first = document.date;
        last = std::max(last, document.date);
    }
    std::string why;
    const auto say = [&](const std::string& reason) { why += (why.empty() ? "" : "; ") + reason; };
    if (!globs_.empty() && none([&](const DocumentInfo& each) { return in_place(each); })) {
        say("no path matches '" + globs_.front().text +
            (globs_.size() > 1 ? "' or the others" : "'"));
    }
    if (!formats_.empty() && none([&](const DocumentInfo& each) {
            return std::find(formats_.begin(), formats_.end(), each.format) != formats_.end();
        })) {
        say("none is of the type " + listed(formats_, kMost) +
            ", there are: " + listed(formats, kMost));
    }
    if (none([&](const DocumentInfo& each) { return in_time(each); })) {
        say(first.empty() ? "none has a date"
                          : "none is of that time, their dates go from " + first.substr(0, 10) +
                                " to " + last.substr(0, 10));
    }
    for (const Condition& condition : conditions_) {
        if (!none([&](const DocumentInfo& each) { return holds(condition, each); })) continue;
        const bool known = keys.contains(condition.key);
        say(known ? "none has " + condition.text
            : keys.empty()
                ? "none has a property '" + condition.key + "', nor any other"
                : "none has a property '" + condition.key + "', there are: " + listed(keys, kMost));
    }
    if (why.empty()) why = "some pass each part of it, and none all";
    return make_error(
        ErrorCode::kNotFound, reason::kFilterEmpty, "filter",
        "the filter leaves none of the " + std::to_string(documents.size()) + " documents: " + why);
}

Result<FilteredDocuments> filter_store(const StoreReader& store, const SearchOptions& options,
                                       std::vector<std::string>& notes) {
    S3ATTN_TRY(const DocumentMatcher matcher, DocumentMatcher::make(options.filter));
    S3ATTN_TRY(const std::vector<DocumentInfo> documents, store.documents());
    FilteredDocuments filtered;
    filtered.all = documents.size();
    const auto passes = [&](const DocumentInfo& document) {
        return matcher.passes(document) && (!options.documents || options.documents(document));
    };
    const auto count = [&](const auto& holds) {
        return static_cast<uint64_t>(std::count_if(documents.begin(), documents.end(), holds));
    };
    filtered.passed = count(passes);
    if (filtered.passed == 0 && options.filter.any()) return matcher.nothing_left(documents);
    const uint64_t undescribed = count([](const DocumentInfo& each) { return !each.described; });
    const uint64_t undated = count([](const DocumentInfo& each) { return each.date.empty(); });
    if (undescribed > 0 && options.filter.any()) {
        notes.push_back(std::to_string(undescribed) +
                        " documents were indexed by an older version, which kept neither dates nor "
                        "properties: index them again");
    } else if (undated > 0 && !(options.filter.after.empty() && options.filter.before.empty())) {
        notes.push_back(std::to_string(undated) + " documents without a date were left out");
    }
    S3ATTN_TRY(filtered.filter, filter_documents(store, documents, passes));
    return filtered;
}

Status check_filter(const DocumentFilter& filter) {
    const auto made = DocumentMatcher::make(filter);
    return made.ok() ? Status() : Status(made.error());
}

}  // namespace s3attn
