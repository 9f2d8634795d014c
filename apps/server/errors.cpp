#include "errors.h"

#include <utility>

namespace s3attn::server {
namespace {

int status_of(ErrorCode code) {
    switch (code) {
        case ErrorCode::kInvalidArgument: return 400;
        case ErrorCode::kNotFound: return 404;
        case ErrorCode::kUnsupported: return 422;
        case ErrorCode::kMismatch:
        case ErrorCode::kBusy: return 409;
        case ErrorCode::kExhausted:
        case ErrorCode::kCancelled: return 503;
        case ErrorCode::kIo:
        case ErrorCode::kCorrupt:
        case ErrorCode::kInternal: return 500;
    }
    return 500;
}

}  // namespace

Failure bad_request(std::string message, std::string param) {
    return {400, "invalid_value", std::move(message), std::move(param), 0};
}

Failure failure_of(const Error& error) {
    Failure failure;
    failure.status = status_of(error.code);
    failure.code = to_string(error.code);
    failure.message = error.message;
    return failure;
}

Json error_json(const Failure& failure) {
    const char* type = failure.status == 401   ? "authentication_error"
                       : failure.status == 403 ? "permission_error"
                       : failure.status == 429 ? "rate_limit_error"
                       : failure.status == 503 ? "overloaded_error"
                       : failure.status >= 500 ? "server_error"
                                               : "invalid_request_error";
    Json error = {
        {"message", failure.message}, {"type", type}, {"param", nullptr}, {"code", failure.code}};
    if (!failure.param.empty()) error["param"] = failure.param;
    return {{"type", "error"}, {"error", std::move(error)}};
}

std::string error_body(int status, const std::string& message) {
    const char* code = status == 503   ? "overloaded"
                       : status == 413 ? "too_large"
                       : status == 408 ? "timeout"
                       : status == 405 ? "method_not_allowed"
                                       : "bad_request";
    return dump(error_json({status, code, message, "", 0}));
}

const char* reason_phrase(int status) {
    switch (status) {
        case 400: return "Bad Request";
        case 405: return "Method Not Allowed";
        case 408: return "Request Timeout";
        case 413: return "Payload Too Large";
        case 414: return "URI Too Long";
        case 431: return "Request Header Fields Too Large";
        case 501: return "Not Implemented";
        case 503: return "Service Unavailable";
        default: return "Error";
    }
}

}  // namespace s3attn::server
