#include "text/pdf_objects.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string_view>

#include "text/detect.h"
#include "text/whitespace.h"

namespace s3attn::text {
namespace {

using nlohmann::json;
using VisitObject = std::function<void(const std::string& id, const json& value)>;

struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
};

// qpdf writes {..., "qpdf": [{}, {"obj:4 0 R": {"value": ...}, "trailer": ...}]}: gives each value
// to `visit` and forgets it. What remains are the lists of pages and of form fields.
// `files`: becomes true where an object speaks of attached ones.
Result<json> walk_objects(const SourceFile& source, bool& files, const VisitObject& visit) {
    constexpr int kObject = 3;  // how deep an object stands
    const std::unique_ptr<std::FILE, CloseFile> file(::fdopen(::dup(source.fd()), "rb"));
    if (!file) return make_error(ErrorCode::kIo, "cannot read the list of objects");
    std::rewind(file.get());
    bool objects = false;
    std::string id;
    const auto filter = [&](int depth, json::parse_event_t event, json& parsed) {
        if (event == json::parse_event_t::key) {
            const auto& key = parsed.get_ref<const std::string&>();
            if (depth == 1) objects = key == "qpdf";
            if (key == "/EF" || key == "/EmbeddedFiles") files = true;
            if (depth == kObject && objects) id = key.substr(key.find(':') + 1);
            // Of pages: long, and not asked for.
            return objects || depth != kObject || (key != "images" && key != "contents");
        }
        if (event != json::parse_event_t::object_end || !objects || depth != kObject) return true;
        const auto value = parsed.find("value");
        if (value != parsed.end()) visit(id, *value);
        return false;
    };
    json rest = json::parse(file.get(), filter, false);
    if (rest.is_discarded() || !rest.is_object()) {
        return make_error(ErrorCode::kCorrupt, "the list of objects is no JSON");
    }
    return rest;
}

// Strings are "u:TEXT" or "b:BYTES", names "/NAME"; anything else gives "".
std::string string_in(const json& value) {
    if (!value.is_string()) return {};
    const auto& text = value.get_ref<const std::string&>();
    return text.starts_with("u:") ? std::string(trim(std::string_view(text).substr(2)))
                                  : std::string();
}

std::string member(const json& object, const char* name) {
    const auto found = object.find(name);
    return found == object.end() ? std::string() : string_in(*found);
}

std::string name_in(const json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// Kinds whose text stands on the page anyway, or that are no text.
bool is_comment(const json& annotation) {
    static constexpr std::string_view kOthers[] = {"/Link",   "/Widget",      "/FreeText", "/Popup",
                                                   "/Screen", "/PrinterMark", "/TrapNet"};
    const std::string kind = name_in(annotation, "/Subtype");
    return !kind.empty() &&
           std::find(std::begin(kOthers), std::end(kOthers), kind) == std::end(kOthers);
}

class Finder {
  public:
    Finder(const SourceFile& source, uint64_t most_bytes)
        : source_(source), most_bytes_(most_bytes) {}

    Result<PdfObjects> run() {
        S3ATTN_TRY(const json rest, walk_objects(source_, found_.files,
                                                 [this](const std::string& id, const json& value) {
                                                     if (value.is_object()) look_at(id, value);
                                                 }));
        // Lists of annotations that stand apart from their pages.
        if (!comments_.empty() && !lists_.empty()) {
            S3ATTN_TRY(const json again,
                       walk_objects(source_, found_.files,
                                    [this](const std::string& id, const json& value) {
                                        const auto list = lists_.find(id);
                                        if (list != lists_.end()) place(value, list->second);
                                    }));
        }
        number_pages(rest);
        read_fields(rest);
        return std::move(found_);
    }

  private:
    bool room_for(size_t bytes) {
        kept_ += bytes;
        found_.cut = found_.cut || kept_ > most_bytes_;
        return !found_.cut;
    }

    void look_at(const std::string& id, const json& value) {
        if (value.contains("/NeedsRendering")) {
            found_.only_in_acrobat = value["/NeedsRendering"] == true;
        }
        const auto annotations = value.find("/Annots");
        if (name_in(value, "/Type") == "/Page" && annotations != value.end()) {
            if (annotations->is_string()) {
                lists_.emplace(annotations->get<std::string>(), id);
            } else {
                place(*annotations, id);
            }
        }
        if (value.contains("/Contents") && is_comment(value)) keep(id, value);
    }

    void keep(const std::string& id, const json& annotation) {
        PdfObjects::Comment comment;
        comment.text = member(annotation, "/Contents");
        comment.author = member(annotation, "/T");
        if (comment.text.empty()) return;
        if (room_for(comment.text.size() + comment.author.size())) comments_[id] = comment;
    }

    // `annotations` of the page that is the object `page`.
    void place(const json& annotations, const std::string& page) {
        if (!annotations.is_array()) return;
        for (const json& annotation : annotations) {
            if (annotation.is_string()) {
                order_.emplace_back(page, annotation.get<std::string>());
            } else if (annotation.is_object() && is_comment(annotation)) {
                const std::string id = "on " + page + " " + std::to_string(order_.size());
                keep(id, annotation);
                order_.emplace_back(page, id);
            }
        }
    }

    // Comments that no page shows are remains of those that were deleted.
    void number_pages(const json& rest) {
        std::map<std::string, uint32_t> numbers;
        const json& pages = rest.contains("pages") ? rest["pages"] : json::array();
        for (const json& page : pages) {
            if (page.is_object() && page.contains("object") && page["object"].is_string()) {
                numbers.emplace(page["object"].get<std::string>(), numbers.size() + 1);
            }
        }
        for (const auto& [page, id] : order_) {
            const auto comment = comments_.find(id);
            const auto number = numbers.find(page);
            if (comment == comments_.end() || number == numbers.end()) continue;
            comment->second.page = number->second;
            found_.comments.push_back(std::move(comment->second));
            comments_.erase(comment);
        }
        std::stable_sort(found_.comments.begin(), found_.comments.end(),
                         [](const auto& a, const auto& b) { return a.page < b.page; });
    }

    void read_fields(const json& rest) {
        if (!rest.contains("acroform") || !rest["acroform"].contains("fields")) return;
        for (const json& node : rest["acroform"]["fields"]) {
            if (!node.is_object() || !node.contains("value")) continue;
            PdfObjects::Field field;
            const std::string kind = name_in(node, "fieldtype");
            field.is_text = kind == "/Tx" || kind == "/Ch";
            if (!field.is_text && kind != "/Btn") continue;
            field.value = value_of(node["value"], field.is_text);
            if (field.value.empty()) continue;
            field.name = name_in(node, "alternativename");
            if (field.name.empty()) field.name = name_in(node, "fullname");
            field.page = node.value("pageposfrom1", uint32_t{1});
            // A group of buttons has one value and many places.
            const bool again = std::any_of(
                found_.fields.begin(), found_.fields.end(), [&](const PdfObjects::Field& other) {
                    return other.name == field.name && other.value == field.value;
                });
            if (!again && room_for(field.name.size() + field.value.size())) {
                found_.fields.push_back(std::move(field));
            }
        }
    }

    static std::string value_of(const json& value, bool is_text) {
        if (is_text && value.is_array()) {  // several of a list
            std::string all;
            for (const json& one : value) all += (all.empty() ? "" : ", ") + string_in(one);
            return all;
        }
        if (is_text || !value.is_string()) return string_in(value);
        const auto name = value.get<std::string>();
        return name.starts_with("/") && name != "/Off" ? name.substr(1) : std::string();
    }

    const SourceFile& source_;
    const uint64_t most_bytes_;
    uint64_t kept_ = 0;
    PdfObjects found_;
    std::map<std::string, PdfObjects::Comment> comments_;     // by object
    std::map<std::string, std::string> lists_;                // list of annotations -> its page
    std::vector<std::pair<std::string, std::string>> order_;  // page, annotation
};

}  // namespace

Result<PdfObjects> read_pdf_objects(const SourceFile& json, uint64_t most_bytes) {
    return Finder(json, most_bytes).run();
}

}  // namespace s3attn::text
