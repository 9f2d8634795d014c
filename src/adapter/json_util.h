// JSON of untrusted files: bounded depth, no duplicate keys, typed field access whose errors name
// the file and the field. Only for .cpp files of this folder (nlohmann is slow to compile).
#pragma once

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "s3attn/result.h"

namespace s3attn::adapter_json {

using Json = nlohmann::ordered_json;

constexpr uint32_t kFormatVersion = 1;  // of adapter.json
constexpr int kMaxDepth = 64;

inline Result<Json> parse(std::string_view text, const std::string& file) {
    struct Refused {
        std::string why;
    };
    std::vector<std::set<std::string>> keys;  // of the objects that are open
    const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
        if (depth > kMaxDepth) throw Refused{"is nested too deeply"};
        if (event == Json::parse_event_t::object_start) keys.emplace_back();
        if (event == Json::parse_event_t::object_end && !keys.empty()) keys.pop_back();
        if (event == Json::parse_event_t::key && !keys.empty()) {
            const auto& name = parsed.get_ref<const std::string&>();
            if (!keys.back().insert(name).second) {
                throw Refused{"holds the key '" + name + "' twice"};
            }
        }
        return true;
    };
    try {
        return Json::parse(text.begin(), text.end(), watch);
    } catch (const Refused& refused) {
        return make_error(ErrorCode::kCorrupt, "'" + file + "' " + refused.why);
    } catch (const std::exception& error) {
        return make_error(ErrorCode::kCorrupt, "'" + file + "' is not JSON: " + error.what());
    }
}

// A string with invalid UTF-8 gives replacement characters instead of an exception.
inline std::string dump(const Json& json, int indent = -1) {
    return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

// Reads fields of one object; `where` is the path of the object within the file, for messages.
class Fields {
  public:
    Fields(const Json& object, std::string file, std::string where)
        : object_(object), file_(std::move(file)), where_(std::move(where)) {}

    Error bad(std::string_view name, const std::string& why) const {
        return make_error(ErrorCode::kCorrupt,
                          "'" + file_ + "': field '" + path(name) + "' " + why);
    }

    const Json* find(std::string_view name) const {
        if (!object_.is_object()) return nullptr;
        const auto it = object_.find(std::string(name));
        return it == object_.end() ? nullptr : &*it;
    }

    Result<const Json*> child(std::string_view name, Json::value_t type) const {
        const Json* json = find(name);
        if (json == nullptr) return bad(name, "is missing");
        if (json->type() != type) return bad(name, std::string("is a ") + json->type_name());
        return json;
    }

    Result<std::string> text(std::string_view name) const {
        S3ATTN_TRY(const Json* json, child(name, Json::value_t::string));
        return json->get<std::string>();
    }

    Result<uint32_t> number(std::string_view name, uint32_t low, uint32_t high) const {
        const Json* json = find(name);
        if (json == nullptr) return bad(name, "is missing");
        if (!json->is_number_unsigned()) return bad(name, "is not a whole number");
        const uint64_t value = json->get<uint64_t>();
        if (value < low || value > high) {
            return bad(name, "is " + std::to_string(value) + ", expected " + std::to_string(low) +
                                 " to " + std::to_string(high));
        }
        return static_cast<uint32_t>(value);
    }

    Result<double> real(std::string_view name) const {
        const Json* json = find(name);
        if (json == nullptr) return bad(name, "is missing");
        if (!json->is_number()) return bad(name, "is not a number");
        return json->get<double>();
    }

    Result<float> real32(std::string_view name) const {
        S3ATTN_TRY(const double value, real(name));
        if (std::abs(value) > std::numeric_limits<float>::max()) {
            return bad(name, "is out of range");
        }
        return static_cast<float>(value);
    }

  private:
    std::string path(std::string_view name) const {
        return where_.empty() ? std::string(name) : where_ + "." + std::string(name);
    }

    const Json& object_;
    std::string file_, where_;
};

}  // namespace s3attn::adapter_json
