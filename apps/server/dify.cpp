#include "dify.h"

#include <algorithm>

#include "render.h"

namespace s3attn::server {
namespace {

constexpr size_t kMostConditions = 64;
constexpr int64_t kMostRecords = 100;

struct Condition {
    std::string field, comparison, value;
};

std::string lowered(std::string text) {
    for (char& c : text) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return text;
}

bool holds(const std::string& text, const Condition& condition) {
    const std::string& op = condition.comparison;
    const std::string& value = condition.value;
    if (op == "contains") return text.find(value) != text.npos;
    if (op == "not contains") return text.find(value) == text.npos;
    if (op == "start with") return text.starts_with(value);
    if (op == "end with") return text.ends_with(value);
    if (op == "is" || op == "=") return text == value;
    if (op == "is not" || op == "≠") return text != value;
    if (op == "empty") return text.empty();
    if (op == "not empty") return !text.empty();
    if (op == "before") return text < value;
    return text > value;  // after
}

std::string field_of(const Stores& stores, const DocumentInfo& document, const std::string& field) {
    if (field == "path") return lowered(document.path);
    if (field == "format") return lowered(document.format);
    if (field == "indexed_at") return lowered(document.indexed_at);
    for (size_t i = 0; i < stores.size(); ++i) {  // an upload's name
        const std::string name = stores.name_of(i, document.path);
        if (name != document.path) return lowered(name);
    }
    return lowered(document.path.substr(document.path.rfind('/') + 1));
}

void read_condition(Fields& fields, const Json& json, const std::string& where,
                    std::vector<Condition>& all) {
    if (!json.is_object()) return fields.fail(where, "must be an object");
    Json names = json.value("name", Json());
    if (names.is_string()) names = Json::array({names});
    const Json comparison = json.value("comparison_operator", Json());
    const Json value = json.value("value", Json());
    const auto one_of = [](const Json& text, const std::vector<const char*>& known) {
        return text.is_string() && std::any_of(known.begin(), known.end(),
                                               [&](const char* one) { return text == one; });
    };
    if (!one_of(comparison, {"contains", "not contains", "start with", "end with", "is", "is not",
                             "=", "≠", "empty", "not empty", "before", "after"})) {
        return fields.fail(where + ".comparison_operator", "is not known here");
    }
    if (!names.is_array() || names.empty()) return fields.fail(where + ".name", "is missing");
    if (!value.is_null() && !value.is_string()) {
        return fields.fail(where + ".value", "must be a text");
    }
    for (const Json& name : names) {
        if (!one_of(name, {"name", "path", "format", "indexed_at"})) {
            return fields.fail(where + ".name",
                               "must be one of: name, path, format, indexed_at; documents have no "
                               "others");
        }
        all.push_back({name.get<std::string>(), comparison.get<std::string>(),
                       value.is_string() ? lowered(value.get<std::string>()) : std::string()});
    }
}

void read_conditions(Fields& fields, const Stores& stores, SearchOptions& options) {
    const Json* given = fields.find("metadata_condition");
    if (given == nullptr) return;
    if (!given->is_object()) return fields.fail("metadata_condition", "must be an object");
    Fields inner(*given);
    const bool any = inner.one_of("logical_operator", {"and", "or"}, "and") == "or";
    if (inner.failure()) {
        return fields.fail("metadata_condition.logical_operator", "must be and, or or");
    }
    const Json list = given->value("conditions", Json::array());
    if (!list.is_array() || list.size() > kMostConditions) {
        return fields.fail("metadata_condition.conditions", "must be a list of at most 64");
    }
    std::vector<Condition> conditions;
    for (size_t i = 0; i < list.size() && !fields.failure(); ++i) {
        read_condition(fields, list[i], "metadata_condition.conditions[" + std::to_string(i) + "]",
                       conditions);
    }
    if (conditions.empty()) return;
    options.documents = [&stores, conditions, any](const DocumentInfo& document) {
        const auto fits = [&](const Condition& condition) {
            return holds(field_of(stores, document, condition.field), condition);
        };
        return any ? std::any_of(conditions.begin(), conditions.end(), fits)
                   : std::all_of(conditions.begin(), conditions.end(), fits);
    };
}

}  // namespace

Outcome<KnowledgeRequest> read_knowledge_request(const Stores& stores, const Json& body) {
    KnowledgeRequest request;
    Fields fields(body);
    request.knowledge = fields.required_text("knowledge_id");
    request.query = fields.required_text("query");
    request.search.budget_tokens = 1u << 20;
    request.search.max_spans = 4;
    if (const Json* setting = fields.find("retrieval_setting"); setting != nullptr) {
        if (setting->is_object()) {
            Fields inner(*setting);
            request.search.max_spans =
                static_cast<uint32_t>(inner.integer("top_k", 4, 1, kMostRecords));
            request.least_score = inner.number("score_threshold", 0, 0, 1);
            if (inner.failure()) return *inner.failure();
        } else {
            fields.fail("retrieval_setting", "must be an object");
        }
    }
    read_conditions(fields, stores, request.search);
    if (fields.failure()) return *fields.failure();
    return request;
}

Json knowledge_json(const Service& service, const Found& found, double least_score) {
    Json records = Json::array();
    const SearchResult& result = found.result;
    double best = 0;
    for (const Span& span : result.spans) best = std::max(best, span.score);
    const Json spans = found_json(service, found, {})["spans"];
    for (size_t i = 0; i < result.spans.size(); ++i) {
        const double share = best > 0 ? std::max(0.0, result.spans[i].score / best) : 0;
        const double score = result.evidence_found ? share : 0;
        if (score < least_score) continue;
        Json metadata = spans[i];
        metadata.erase("text");
        metadata["evidence_found"] = result.evidence_found;
        records.push_back({{"content", result.spans[i].text},
                           {"score", score},
                           {"title", spans[i]["name"]},
                           {"metadata", std::move(metadata)}});
    }
    return {{"records", std::move(records)}};
}

Json knowledge_error(const Failure& failure) {
    Json json = error_json(failure);
    json["error_code"] = failure.code == "invalid_api_key"   ? 1002
                         : failure.code == "store_not_found" ? 2001
                                                             : failure.status;
    json["error_msg"] = failure.message;
    return json;
}

}  // namespace s3attn::server
