// MCP over standard input and output: a message per line. Tools run on threads of their own, so
// that the client can ping, cancel and call others meanwhile.
#pragma once

#include <cstdio>

#include "mcp.h"
#include "s3attn/progress.h"

namespace s3attn::server {

// Serves one client until the end of its input, whose last line needs no line end, and until what
// it asked is answered; or until `cancel`. Returns false when the output cannot be written.
bool serve_mcp_lines(Mcp& mcp, int input, std::FILE* output, const CancelToken& cancel);

}  // namespace s3attn::server
