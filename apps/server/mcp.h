// The Model Context Protocol: the tools search, ask, list_documents and add_document for agents,
// over standard input and output (mcp_lines.h) or over HTTP (where mcp_calls.h knows what runs).
// JSON-RPC 2.0; no state.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "errors.h"
#include "mcp_tools.h"
#include "service.h"

namespace s3attn::server {

// Who sent a message, and what can be done meanwhile.
struct McpCaller {
    std::function<bool()> keep_going;                   // called now and then; false ends the tool
    std::function<bool()> cancelled = {};               // the client took the request back
    std::function<void(const Json&)> notify = nullptr;  // sends a message; none: it cannot
    const Access* access = nullptr;                     // what it may do; none: everything
};

class Mcp {
  public:
    // `local`: the client runs as the same user on this machine, so add_document may take a path.
    Mcp(Service& service, bool local) : service_(service), local_(local) {}

    // One message, or a batch of them; nothing for notifications and for what is no JSON-RPC reply.
    std::optional<Json> handle(const Json& message, const McpCaller& caller) const;
    // Whether answering it may take a while: a tool is called.
    static bool calls_tool(const Json& message);
    // Whether it asks to be told of progress.
    static bool wants_progress(const Json& message);
    // Whether it begins a session, which requests of the stateless revision do not have.
    static bool begins_session(const Json& message);
    // Over HTTP: where the headers contradict the message, the reply that says so.
    static std::optional<Json> header_problem(const Json& message, const std::string& version,
                                              const std::string& method);
    static Json parse_error(const std::string& why);
    static Json internal_error(const Json& id, const std::string& why);

  private:
    Json call_tool(const Json& params, const McpCaller& caller) const;
    Json dispatch(const std::string& method, const Json& params, const McpCaller& caller) const;
    Json tools() const;

    const Access& access_of(const McpCaller& caller) const;

    Service& service_;
    const bool local_;
    const Access everything_{};
};

}  // namespace s3attn::server
