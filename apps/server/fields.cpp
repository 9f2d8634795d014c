#include "fields.h"

#include <algorithm>
#include <cmath>

namespace s3attn::server {

void Fields::fail(const std::string& field, const std::string& message) {
    if (!failure_) failure_ = bad_request("'" + field + "' " + message, field);
}

const Json* Fields::find(const char* field) const {
    const auto found = object_.find(field);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
}

std::string Fields::text(const char* field, const std::string& fallback) {
    const Json* value = find(field);
    if (value == nullptr) return fallback;
    if (value->is_string()) return value->get<std::string>();
    fail(field, "must be a string");
    return fallback;
}

std::string Fields::required_text(const char* field) {
    if (find(field) == nullptr) fail(field, "is missing");
    std::string value = text(field);
    if (value.find_first_not_of(" \t\r\n\v\f") == std::string::npos) fail(field, "is empty");
    return value;
}

bool Fields::flag(const char* field, bool fallback) {
    const Json* value = find(field);
    if (value == nullptr) return fallback;
    if (value->is_boolean()) return value->get<bool>();
    fail(field, "must be true or false");
    return fallback;
}

int64_t Fields::integer(const char* field, int64_t fallback, int64_t least, int64_t most) {
    // As it is: beyond 2^53 neighbours are one and the same double.
    const Json* exact = find(field);
    if (exact != nullptr && exact->is_number_integer()) {
        const bool fits =
            exact->is_number_unsigned()
                ? most >= 0 && exact->get<uint64_t>() <= static_cast<uint64_t>(most) &&
                      (least < 0 || exact->get<uint64_t>() >= static_cast<uint64_t>(least))
                : exact->get<int64_t>() >= least && exact->get<int64_t>() <= most;
        if (fits) return exact->get<int64_t>();
        fail(field, "must be from " + std::to_string(least) + " to " + std::to_string(most));
        return fallback;
    }
    const double value = number(field, static_cast<double>(fallback), static_cast<double>(least),
                                static_cast<double>(most));
    if (value != std::floor(value)) fail(field, "must be a whole number");
    return static_cast<int64_t>(value);
}

double Fields::number(const char* field, double fallback, double least, double most) {
    const Json* value = find(field);
    if (value == nullptr) return fallback;
    if (!value->is_number()) {
        fail(field, "must be a number");
        return fallback;
    }
    const double number = value->get<double>();
    if (number >= least && number <= most) return number;
    fail(field, "must be from " + Json(least).dump() + " to " + Json(most).dump());
    return fallback;
}

std::vector<std::string> Fields::texts(const char* field) {
    const Json* value = find(field);
    std::vector<std::string> all;
    if (value == nullptr) return all;
    if (value->is_string()) return {value->get<std::string>()};
    const bool list = value->is_array() && std::all_of(value->begin(), value->end(),
                                                       [](auto& v) { return v.is_string(); });
    if (!list) {
        fail(field, "must be a string or a list of strings");
        return all;
    }
    for (const Json& item : *value) all.push_back(item.get<std::string>());
    return all;
}

std::string Fields::one_of(const char* field, const std::vector<std::string>& names,
                           const std::string& fallback) {
    std::string value = text(field, fallback);
    if (std::find(names.begin(), names.end(), value) != names.end()) return value;
    std::string all;
    for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
    fail(field, "must be one of: " + all);
    return fallback;
}

std::optional<Json> parse_object(const std::string& text, Failure& failure) {
    try {
        Json json = Json::parse(text);
        if (json.is_object()) return json;
        failure = bad_request("the body must be a JSON object");
    } catch (const Json::exception& error) {
        failure = bad_request(std::string("the body is not JSON: ") + error.what());
    }
    return {};
}

}  // namespace s3attn::server
