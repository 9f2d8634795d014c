// The HTTP interface: routes, guards, the web page. docs/serve.md describes it, docs/openapi.json
// specifies it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "access.h"
#include "connection.h"
#include "service.h"

namespace s3attn::server {

// Everything else is small, and read into memory before a handler sees it.
constexpr uint64_t kMostJsonBytes = 4 << 20;
// Of requests that may bring documents along.
constexpr uint64_t kMostInlineBytes = 32 << 20;

struct HttpOptions {
    std::string host = "127.0.0.1";
    int port = 8080;  // 0: any that is free
    Keys keys;        // none: no key is asked for
    // Names, besides `host`, that requests may be for, and that pages which use it may come from.
    std::vector<std::string> allowed_hosts;
    std::vector<std::string> allowed_origins;  // of others' pages that may use it; "*": any
    ConnectionLimits limits;                   // `body_bytes` is the largest document
    bool quiet = false;                        // no line per request
};

class HttpApi {
  public:
    HttpApi(Service& service, HttpOptions options);
    ~HttpApi();
    // Binds the port; returns it.
    Result<int> bind();
    const std::string& host() const { return options_.host; }
    // Serves until stop(). After bind().
    void listen();
    // Takes no new connection, ends the running ones, stops the service.
    void stop();

  private:
    class Routes;
    Service& service_;
    HttpOptions options_;
    std::unique_ptr<GuardedServer> server_;
    std::unique_ptr<Routes> routes_;
};

}  // namespace s3attn::server
