// Reads typed fields of a JSON object; says which one is wrong and how. Unknown fields are let
// through, as clients of newer interfaces send them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "errors.h"

namespace s3attn::server {

class Fields {
  public:
    explicit Fields(const Json& object) : object_(object) {}

    // The first problem found; the readers below return a default once there is one.
    const std::optional<Failure>& failure() const { return failure_; }
    void fail(const std::string& field, const std::string& message);

    // Null when absent or null.
    const Json* find(const char* field) const;
    std::string text(const char* field, const std::string& fallback = {});
    std::string required_text(const char* field);
    bool flag(const char* field, bool fallback = false);
    int64_t integer(const char* field, int64_t fallback, int64_t least, int64_t most);
    double number(const char* field, double fallback, double least, double most);
    // A string or a list of strings.
    std::vector<std::string> texts(const char* field);
    std::string one_of(const char* field, const std::vector<std::string>& names,
                       const std::string& fallback);

  private:
    const Json& object_;
    std::optional<Failure> failure_;
};

// Nothing when the text is no JSON object; `failure` says why.
std::optional<Json> parse_object(const std::string& text, Failure& failure);

}  // namespace s3attn::server
