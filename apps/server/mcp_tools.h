// The tools that agents see.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "access.h"
#include "errors.h"
#include "service.h"

namespace s3attn::server {

// Names, descriptions and JSON schemas of arguments and results.
Json tool_list(bool local);

// What a tool may use while it runs.
struct ToolContext {
    const Access& access;              // what the client may do
    bool local = false;                // it is of this machine
    std::function<bool()> keep_going;  // called now and then; false ends the tool
    std::function<bool()> cancelled;   // and the client took the call back: undo what can be
    // How far it is; `total` 0: not known.
    std::function<void(double done, double total, const std::string& message)> progress;
};

// The result of a tools/call, failures of the tool included; nothing when there is no such tool.
std::optional<Json> run_tool(Service& service, const std::string& name, const Json& arguments,
                             const ToolContext& context);

}  // namespace s3attn::server
