// The tools that agents see.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "errors.h"
#include "service.h"

namespace s3attn::server {

// Names, descriptions and JSON schemas of arguments and results.
Json tool_list(bool local);

// The result of a tools/call, failures of the tool included; nothing when there is no such tool.
std::optional<Json> run_tool(Service& service, bool local, const std::string& name,
                             const Json& arguments, const std::function<bool()>& keep_going);

}  // namespace s3attn::server
