#include "mcp_resources.h"

#include <httplib.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include "render.h"
#include "text_range.h"

namespace s3attn::server {
namespace {

constexpr size_t kResourcesOfAPage = 500;
constexpr std::string_view kScheme = "s3attn://";

std::optional<uint64_t> decimal(std::string_view text) {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
    return value;
}

struct ResourceName {
    std::string store;
    DocumentId doc_id;
    uint64_t begin = 0;
    std::optional<uint64_t> end;
};

std::optional<ResourceName> parse_uri(std::string_view uri) {
    if (!uri.starts_with(kScheme)) return {};
    uri.remove_prefix(kScheme.size());
    std::string_view query;
    if (const size_t mark = uri.find('?'); mark != uri.npos) {
        query = uri.substr(mark + 1);
        uri = uri.substr(0, mark);
    }
    const size_t slash = uri.rfind('/');
    if (slash == uri.npos) return {};
    ResourceName name;
    name.store = httplib::detail::decode_url(std::string(uri.substr(0, slash)), false);
    const auto id = decimal(uri.substr(slash + 1));
    if (!id) return {};
    name.doc_id.value = *id;
    while (!query.empty()) {
        const std::string_view one = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(query.size(), one.size() + 1));
        const size_t equals = one.find('=');
        const auto value = decimal(one.substr(equals == one.npos ? one.size() : equals + 1));
        const std::string_view field = one.substr(0, equals);
        if (!value || (field != "begin" && field != "end")) return {};
        if (field == "begin") name.begin = *value;
        if (field == "end") name.end = *value;
    }
    return name;
}

std::string uri_of(const std::string& store, DocumentId doc_id) {
    return std::string(kScheme) + httplib::detail::encode_query_param(store) + "/" + to_string(doc_id);
}

}  // namespace

Outcome<Json> list_resources(const Service& service, const Access& access, const Json& params) {
    const Json cursor = params.value("cursor", Json());
    const auto from = cursor.is_string() ? decimal(cursor.get<std::string>()) : uint64_t{0};
    if (!from) return bad_request("the cursor is none of this server", "cursor");
    Json resources = Json::array();
    Json result = Json::object();
    uint64_t at = 0;
    for (size_t store = 0; store < service.stores().size(); ++store) {
        if (!access.may_read(store)) continue;
        const auto listed = service.stores().documents(store);
        if (const auto* failure = std::get_if<Failure>(&listed)) return *failure;
        for (const DocumentInfo& document : std::get<std::vector<DocumentInfo>>(listed)) {
            if (at++ < *from) continue;
            if (resources.size() == kResourcesOfAPage) {
                result["nextCursor"] = std::to_string(at - 1);
                break;
            }
            resources.push_back(
                {{"uri", uri_of(service.stores()[store].name, document.doc_id)},
                 {"name", service.stores().name_of(store, document.path)},
                 {"description", document.format + ", " + std::to_string(document.tokens) +
                                     " tokens; add ?begin=B&end=E for a part of its text"},
                 {"mimeType", "text/plain"},
                 {"size", document.source_bytes}});
        }
        if (result.contains("nextCursor")) break;
    }
    result["resources"] = std::move(resources);
    return result;
}

Json resource_templates() {
    return {{"resourceTemplates",
             Json::array({{{"uriTemplate", "s3attn://{store}/{doc_id}{?begin,end}"},
                           {"name", "document-text"},
                           {"title", "Text of a document"},
                           {"description",
                            "The text as citations count it, bytes begin to end; without them the "
                            "first 64 KiB. `_meta` says what was given and whether more follows."},
                           {"mimeType", "text/plain"}}})}};
}

Outcome<Json> read_resource(const Service& service, const Access& access, const std::string& uri) {
    const Failure unknown = {404, "resource_not_found", "there is no resource '" + uri + "'", "uri",
                             0};
    const auto name = parse_uri(uri);
    if (!name) return unknown;
    const auto store = access.choose_one(service.stores(), name->store);
    if (std::get_if<Failure>(&store) != nullptr) return unknown;
    const auto there = Store::open(service.stores()[std::get<size_t>(store)].path);
    if (!there.ok()) return unknown;
    uint64_t begin = name->begin, end = name->end.value_or(begin + kDefaultTextBytes);
    const auto range = there->read_range(name->doc_id, begin, end, kMostTextBytes);
    if (!range.ok()) {
        return range.error().code == ErrorCode::kNotFound ? unknown : failure_of(range.error());
    }
    std::string text = slice(*range, begin, end);
    return Json{
        {"contents",
         Json::array({{{"uri", uri},
                       {"mimeType", "text/plain"},
                       {"text", std::move(text)},
                       {"_meta", {{"begin", begin}, {"end", end}, {"cut", range->cut}}}}})}};
}

}  // namespace s3attn::server
