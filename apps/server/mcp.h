// The Model Context Protocol: the tools search, ask, list_documents and add_document for agents,
// over standard input and output or over HTTP. JSON-RPC 2.0; no session, no state.
#pragma once

#include <cstdio>
#include <functional>
#include <optional>
#include <string>

#include "errors.h"
#include "s3attn/progress.h"
#include "service.h"

namespace s3attn::server {

class Mcp {
  public:
    // `local`: the client runs as the same user on this machine, so add_document may take a path.
    Mcp(Service& service, bool local) : service_(service), local_(local) {}

    // Called now and then while a tool runs; false ends it.
    using KeepGoing = std::function<bool()>;
    // One message, or a batch of them; nothing for notifications and for what is no JSON-RPC reply.
    std::optional<Json> handle(const Json& message, const KeepGoing& keep_going) const;
    // The reply to a text that is no JSON.
    static Json parse_error(const std::string& why);

  private:
    Json call_tool(const Json& params, const KeepGoing& keep_going) const;
    Json dispatch(const std::string& method, const Json& params, const KeepGoing& keep_going) const;
    Json tools() const;

    Service& service_;
    const bool local_;
};

// Serves one client: a message per line, until the end of input or until `cancel`. Returns false
// when the output cannot be written.
bool serve_mcp_lines(Mcp& mcp, int input, std::FILE* output, const CancelToken& cancel);

}  // namespace s3attn::server
