// The HTTP interface: routes, guards, the web page. docs/serve.md describes it, docs/openapi.json
// specifies it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "connection.h"
#include "service.h"

namespace s3attn::server {

struct HttpOptions {
    std::string host = "127.0.0.1";
    int port = 8080;                         // 0: any that is free
    std::string api_key;                     // empty: none is asked for
    std::vector<std::string> allowed_hosts;  // names, besides `host`, that requests may be for
    ConnectionLimits limits;
    bool quiet = false;  // no line per request
};

class HttpApi {
  public:
    HttpApi(Service& service, const HttpOptions& options);
    ~HttpApi();
    // Binds the port; returns it.
    Result<int> bind();
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
