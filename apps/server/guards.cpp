// What every request passes before a handler sees it.
//
// A browser lets any web page send requests to 127.0.0.1, and DNS can be made to point a name there
// (rebinding): so requests must be for a host that this server is, and those that come from a page
// must come from our own.
#include <algorithm>
#include <array>
#include <string_view>

#include "dify.h"
#include "routes.h"

namespace s3attn::server {
namespace {

constexpr const char* kContentPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src "
    "'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

struct Route {
    std::string_view pattern;  // "{}" stands for one path component
    std::string_view methods;
};
// HEAD goes wherever GET goes.
constexpr std::array<Route, 36> kRoutes = {{
    {"/", "GET"},
    {"/app.js", "GET"},
    {"/chats.js", "GET"},
    {"/documents.js", "GET"},
    {"/pages.js", "GET"},
    {"/tables.js", "GET"},
    {"/turn.js", "GET"},
    {"/uploads.js", "GET"},
    {"/view.js", "GET"},
    {"/style.css", "GET"},
    {"/favicon.svg", "GET"},
    {"/healthz", "GET"},
    {"/metrics", "GET"},
    {"/openapi.json", "GET"},
    {"/mcp", "POST"},
    {"/v1/models", "GET"},
    {"/v1/models/{}", "GET"},
    {"/v1/stores", "GET"},
    {"/v1/chat/completions", "POST"},
    {"/v1/responses", "POST"},
    {"/v1/messages", "POST"},
    {"/v1/search", "POST"},
    {"/v1/rerank", "POST"},
    {"/v2/rerank", "POST"},
    {"/v1/embeddings", "POST"},
    {"/retrieval", "POST"},
    {"/v1/documents", "GET, POST"},
    {"/v1/documents/jobs", "GET"},
    {"/v1/documents/jobs/{}", "GET"},
    {"/v1/documents/jobs/{}/cancel", "POST"},
    {"/v1/documents/jobs/{}/events", "GET"},
    {"/v1/documents/{}/text", "GET"},
    {"/v1/documents/{}/file", "GET"},
    {"/v1/documents/{}/pages/{}", "GET"},
    {"/v1/documents/{}/pages/{}/image", "GET"},
    {"/v1/questions", "GET"},
}};
constexpr Route kDocument = {"/v1/documents/{}", "GET, DELETE"};

bool matches(std::string_view pattern, std::string_view path) {
    while (true) {
        const size_t hole = pattern.find("{}");
        if (hole == pattern.npos) return pattern == path;
        if (path.substr(0, hole) != pattern.substr(0, hole)) return false;
        path.remove_prefix(hole);
        const size_t end = std::min(path.find('/'), path.size());
        if (end == 0) return false;
        path.remove_prefix(end);
        pattern.remove_prefix(hole + 2);
    }
}

const Route* find_route(std::string_view path) {
    for (const Route& route : kRoutes) {
        if (matches(route.pattern, path)) return &route;
    }
    return matches(kDocument.pattern, path) ? &kDocument : nullptr;
}

// Without the port; brackets of an IPv6 address stay.
std::string_view host_of(std::string_view host) {
    const size_t colon = host.rfind(':');
    if (colon == host.npos || host.find(']', colon) != host.npos) return host;
    return host.substr(0, colon);
}

std::string lower(std::string_view text) {
    std::string all(text);
    for (char& c : all) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return all;
}

bool is_loopback(std::string_view host) {
    if (host == "localhost" || host == "[::1]" || host == "::1") return true;
    // A number, not a name such as 127.evil.example.
    return host.starts_with("127.") && host.find_first_not_of("0123456789.") == host.npos;
}

bool needs_key(std::string_view path) {
    return path.starts_with("/v1/") || path.starts_with("/v2/") || path == "/mcp" ||
           path == "/metrics" || path == "/retrieval";
}

}  // namespace

// `host` with or without a port, in lower case.
bool HttpApi::Routes::is_named(std::string_view host) const {
    const std::string_view name = host_of(host);
    const auto& more = options_.allowed_hosts;
    return name == lower(options_.host) ||
           std::any_of(more.begin(), more.end(), [&](const std::string& allowed) {
               return lower(allowed) == name || lower(allowed) == host;
           });
}

bool HttpApi::Routes::allowed_host(const Request& request) const {
    const std::string host = lower(request.get_header_value("Host"));
    if (is_named(host) || is_loopback(host_of(host))) return true;
    // Bound to every address, the server does not know its names; a list of them makes it strict.
    return !is_loopback(options_.host) && options_.allowed_hosts.empty();
}

// Pages of ours: of the host that the request is for, or, behind a proxy that puts its own idea of
// the host into the request, of a host that was named.
bool HttpApi::Routes::own_origin(const Request& request) const {
    if (!request.has_header("Origin")) return true;  // no browser, or a plain link
    const std::string origin = lower(request.get_header_value("Origin"));
    const size_t slashes = origin.find("://");
    if (slashes == origin.npos) return false;
    const std::string_view host = std::string_view(origin).substr(slashes + 3);
    if (host == lower(request.get_header_value("Host"))) return true;
    const auto& more = options_.allowed_hosts;
    return std::any_of(more.begin(), more.end(), [&](const std::string& allowed) {
        return lower(allowed) == host || lower(allowed) == host_of(host);
    });
}

// Pages of others that may use the interface all the same.
bool HttpApi::Routes::allowed_origin(const Request& request) const {
    if (!request.has_header("Origin")) return false;
    const std::string origin = lower(request.get_header_value("Origin"));
    const auto& allowed = options_.allowed_origins;
    return std::any_of(allowed.begin(), allowed.end(),
                       [&](const std::string& one) { return one == "*" || lower(one) == origin; });
}

// What lets the browser give our answer to such a page; true where the request only asked that.
bool HttpApi::Routes::answer_cors(const Request& request, Response& response) const {
    if (options_.allowed_origins.empty()) return false;
    response.set_header("Vary", "Origin");
    if (!allowed_origin(request)) return false;
    response.set_header("Access-Control-Allow-Origin", request.get_header_value("Origin"));
    response.set_header("Access-Control-Expose-Headers", "Location, Retry-After, Mcp-Session-Id");
    response.headers.erase("Cross-Origin-Resource-Policy");
    response.set_header("Cross-Origin-Resource-Policy", "cross-origin");
    if (request.method != "OPTIONS" || !request.has_header("Access-Control-Request-Method")) {
        return false;
    }
    response.set_header("Access-Control-Allow-Methods", "GET, POST, DELETE");
    const std::string headers = request.get_header_value("Access-Control-Request-Headers");
    response.set_header("Access-Control-Allow-Headers",
                        headers.empty() ? "Authorization, Content-Type" : headers);
    response.set_header("Access-Control-Max-Age", "600");
    if (request.has_header("Access-Control-Request-Private-Network")) {
        response.set_header("Access-Control-Allow-Private-Network", "true");
    }
    response.status = 204;
    return true;
}

const Access* HttpApi::Routes::find_access(const Request& request) const {
    if (keys_.empty() || !needs_key(request.path)) return &everybody_;
    constexpr std::string_view kBearer = "Bearer ";
    const std::string header = request.get_header_value("Authorization");
    if (header.starts_with(kBearer)) {
        return keys_.find(std::string_view(header).substr(kBearer.size()));
    }
    return keys_.find(request.get_header_value("X-Api-Key"));
}

const Access& HttpApi::Routes::access_of(const Request& request) const {
    return *find_access(request);
}

// So many requests, and bodies of such sizes.
bool HttpApi::Routes::check_limits(const Request& request, Response& response) const {
    const Access& access = access_of(request);
    if (const auto seconds = access.take_request()) {
        send_failure(response,
                     {429, "rate_limit_exceeded",
                      "this key has sent as many requests as it may for now", "", *seconds});
        return false;
    }
    const bool files = request.path == "/v1/messages" || request.path == "/v1/responses";
    uint64_t most = request.path == "/v1/documents" ? options_.limits.body_bytes
                    : files                         ? kMostInlineBytes
                                                    : kMostJsonBytes;
    if (access.upload_bytes > 0) most = std::min(most, access.upload_bytes);
    if (limit_body(most)) return true;
    send_failure(
        response,
        {413, "too_large", "the body has more than " + std::to_string(most >> 20) + " MiB", "", 0});
    return false;
}

void HttpApi::Routes::refuse_key(const Request& request, Response& response) {
    const Failure failure = {
        401, "invalid_api_key",
        "the API key is missing or wrong: send Authorization: Bearer KEY, or X-Api-Key: KEY", "",
        0};
    send_failure(response, failure);
    if (request.path != "/retrieval") return;
    response.set_content(dump(knowledge_error(failure)), "application/json");
    response.status = 403;  // as Dify has it
}

bool HttpApi::Routes::check_method(const Request& request, Response& response) const {
    const Route* route = find_route(request.path);
    if (route == nullptr) {
        send_failure(response,
                     {404, "not_found", "there is nothing here; see /openapi.json", "", 0});
        return false;
    }
    const std::string method = request.method == "HEAD" ? "GET" : request.method;
    if (route->methods.find(method) != std::string_view::npos) return true;
    response.set_header("Allow", std::string(route->methods));
    send_failure(
        response,
        {405, "method_not_allowed",
         request.method + " is not done here; allowed: " + std::string(route->methods), "", 0});
    return false;
}

httplib::Server::HandlerResponse HttpApi::Routes::guard(const Request& request,
                                                        Response& response) const {
    using Answer = httplib::Server::HandlerResponse;
    if (!allowed_host(request)) {
        send_failure(response, {403, "wrong_host",
                                "the Host header names a host that this server is not; start it "
                                "with --allow-host to allow it",
                                "", 0});
        return Answer::Handled;
    }
    if (answer_cors(request, response)) return Answer::Handled;
    if (!own_origin(request) && !allowed_origin(request)) {
        send_failure(response,
                     {403, "wrong_origin",
                      "requests from pages of other sites are not served; where this is the "
                      "server's own page behind a proxy, start it with --allow-host and the "
                      "proxy's name, where it is a program of yours, with --allow-origin",
                      "", 0});
        return Answer::Handled;
    }
    if (find_access(request) == nullptr) {
        response.set_header("WWW-Authenticate", "Bearer");
        refuse_key(request, response);
        return Answer::Handled;
    }
    if (!check_method(request, response) || !check_limits(request, response)) {
        return Answer::Handled;
    }
    // cpp-httplib would unpack it without a limit.
    if (request.has_header("Content-Encoding")) {
        send_failure(response, {415, "unsupported_encoding",
                                "send the body as it is, without a Content-Encoding", "", 0});
        return Answer::Handled;
    }
    return Answer::Unhandled;
}

// Failures that come from cpp-httplib itself have no body yet.
void HttpApi::Routes::finish_error(const Request&, Response& response) const {
    if (!response.body.empty()) return;
    if (const auto problem = body_problem()) {
        response.status = problem->status;
        response.set_content(error_body(problem->status, problem->message), "application/json");
        return;
    }
    const char* message = response.status == 413   ? "the body is too large"
                          : response.status == 400 ? "the request is malformed"
                          : response.status == 404 ? "there is nothing here; see /openapi.json"
                          : response.status == 416 ? "the range cannot be satisfied"
                                                   : "the request failed";
    response.set_content(error_body(response.status, message), "application/json");
}

void HttpApi::Routes::add_guards() {
    server_.set_default_headers({{"Content-Security-Policy", kContentPolicy},
                                 {"X-Content-Type-Options", "nosniff"},
                                 {"Referrer-Policy", "no-referrer"},
                                 {"Cross-Origin-Resource-Policy", "same-origin"},
                                 {"Cache-Control", "no-store"}});
    server_.set_pre_routing_handler(
        [this](const Request& request, Response& response) { return guard(request, response); });
    server_.set_error_handler(
        [this](const Request& request, Response& response) { finish_error(request, response); });
    server_.set_exception_handler(
        [](const Request&, Response& response, std::exception_ptr pointer) {
            std::string what = "a fault in the server";
            try {
                std::rethrow_exception(pointer);
            } catch (const std::exception& error) {
                what += std::string(": ") + error.what();
            } catch (...) {
            }
            send_failure(response, {500, "internal", what, "", 0});
        });
    server_.set_logger([this](const Request& request, const Response& response) {
        const Route* route = find_route(request.path);
        service_.metrics().count_request(route ? std::string(route->pattern) : "other",
                                         response.status);
        const Access* access = find_access(request);
        if (access != nullptr && !access->name.empty()) {
            service_.metrics().count_key(access->name, response.status);
        }
    });
    server_.on_refused = [this](int status) {
        service_.metrics().count_request("refused", status);
    };
}

}  // namespace s3attn::server
