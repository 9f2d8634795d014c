// Failures in the shape that OpenAI's and Anthropic's clients understand: {"type": "error",
// "error": {"message", "type", "param", "code"}}.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "json/result_json.h"
#include "s3attn/result.h"

namespace s3attn::server {

using apps::dump;
using apps::Json;

// What a request failed with.
struct Failure {
    int status = 500;
    std::string code;     // for programs, such as "model_not_found"
    std::string message;  // for people
    std::string param;    // the field at fault, or empty
    int retry_after = 0;  // seconds; 0: not said
};

Failure bad_request(std::string message, std::string param = {});
// The HTTP status that fits an error of the library.
Failure failure_of(const Error& error);

Json error_json(const Failure& failure);
std::string error_body(int status, const std::string& message);
const char* reason_phrase(int status);

}  // namespace s3attn::server
