#include "http_api.h"

#include <algorithm>
#include <utility>

#include "routes.h"

namespace s3attn::server {

namespace {

// Of the connections, before it is known what a request is about.
ConnectionLimits widest(ConnectionLimits limits) {
    limits.body_bytes = std::max(limits.body_bytes, kMostInlineBytes);
    return limits;
}

}  // namespace

HttpApi::HttpApi(Service& service, HttpOptions options)
    : service_(service),
      options_(std::move(options)),
      server_(std::make_unique<GuardedServer>(widest(options_.limits))),
      routes_(std::make_unique<Routes>(service, options_, *server_)) {
    routes_->add_all();
}

HttpApi::~HttpApi() = default;

Result<int> HttpApi::bind() {
    const int port = options_.port == 0 ? server_->bind_to_any_port(options_.host)
                     : server_->bind_to_port(options_.host, options_.port) ? options_.port
                                                                           : -1;
    if (port > 0) return port;
    return make_error(ErrorCode::kIo, "cannot listen on " + options_.host + ", port " +
                                          std::to_string(options_.port) +
                                          ": is it in use, or not yours? Choose another with "
                                          "--port (0: any that is free)");
}

void HttpApi::listen() { server_->listen_after_bind(); }

void HttpApi::stop() {
    constexpr int kGraceMs = 5000;
    server_->begin_stop();
    server_->stop();
    service_.stop(kGraceMs);
}

void HttpApi::Routes::add_all() {
    add_guards();
    add_pages();
    add_questions();
    add_plugins();
    add_documents();
    add_log();
    add_page_images();
    add_mcp();
}

// Progress as it comes, then the reply; none to a request that was taken back.
void HttpApi::Routes::stream_mcp(Json message, const std::string& session, const Access& access,
                                 Response& response) {
    response.set_header("X-Accel-Buffering", "no");
    response.set_chunked_content_provider(
        "text/event-stream", [this, message, session, &access](size_t, httplib::DataSink& sink) {
            const McpCalls::Call call(mcp_calls_, session, message);
            const auto send = [&](const Json& json) {
                if (call.cancelled()) return;
                const std::string text = sse("message", json);
                sink.write(text.data(), text.size());
            };
            const McpCaller caller{
                [&] { return !client_has_gone() && !server_.stopping() && !call.cancelled(); },
                [&] { return call.cancelled(); }, send, &access};
            if (const auto answer = mcp_.handle(message, caller)) send(*answer);
            sink.done();
            return true;
        });
}

// As one JSON reply: HTTP wants one for a request that was taken back too.
void HttpApi::Routes::answer_mcp(const Json& message, const std::string& session,
                                 const Access& access, Response& response) {
    const McpCalls::Call call(mcp_calls_, session, message);
    const McpCaller caller{
        [&] { return !client_has_gone() && !server_.stopping() && !call.cancelled(); },
        [&] { return call.cancelled(); }, nullptr, &access};
    const auto answer = mcp_.handle(message, caller);
    if (!answer) {
        response.status = 202;
        return;
    }
    if (Mcp::begins_session(message) && answer->contains("result")) {
        response.set_header("Mcp-Session-Id", McpCalls::new_session());
    }
    send_json(response, 200, *answer);
}

void HttpApi::Routes::add_mcp() {
    server_.Post("/mcp", [this](const Request& request, Response& response) {
        Json message;
        try {
            message = Json::parse(request.body);
        } catch (const Json::exception& error) {
            return send_json(response, 400, Mcp::parse_error(error.what()));
        }
        const bool batch = message.is_array() && !message.empty() &&
                           std::all_of(message.begin(), message.end(),
                                       [](const Json& one) { return one.is_object(); });
        if (!message.is_object() && !batch) {
            return send_json(response, 400, Mcp::parse_error("a message is a JSON object"));
        }
        const auto problem =
            Mcp::header_problem(message, request.get_header_value("MCP-Protocol-Version"),
                                request.get_header_value("Mcp-Method"));
        if (problem) return send_json(response, 400, *problem);
        const Access& access = access_of(request);
        // With keys a session's id is of no use to another key.
        const std::string session = request.get_header_value("Mcp-Session-Id");
        const std::string own = session.empty() ? session : access.name + " " + session;
        mcp_calls_.take_cancellation(own, message);
        if (Mcp::wants_progress(message) &&
            request.get_header_value("Accept").find("text/event-stream") != std::string::npos) {
            return stream_mcp(std::move(message), own, access, response);
        }
        answer_mcp(message, own, access, response);
    });
}

}  // namespace s3attn::server
