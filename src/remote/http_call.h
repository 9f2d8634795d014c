// One HTTP request with libcurl: proxies by the usual variables, certificates checked, redirects
// not followed, ended soon after the CancelToken fires.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "s3attn/progress.h"
#include "s3attn/result.h"

namespace s3attn {

struct HttpRequest {
    std::string url;
    std::string key;   // "Authorization: Bearer KEY"; empty: none
    std::string body;  // JSON, sent with POST; empty: GET
    uint32_t connect_seconds = 10, idle_seconds = 120;
    uint64_t most_bytes = 64ull << 20;  // of the answer
    const CancelToken* cancel = nullptr;
};
struct HttpAnswer {
    long status = 0;
    std::string content_type;
    std::string location;      // of a redirect
    int64_t retry_after = -1;  // seconds; -1: not said
    std::string body;          // of answers that on_data did not get: the first 64 KiB
    bool ended_early = false;  // on_data wanted no more
    std::string broken;        // the connection broke while the answer came; why
};

// Keeps its connection from call to call. One call at a time.
class HttpClient {
  public:
    HttpClient();
    ~HttpClient();
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;

    // Bytes of an answer with status 200, as they come; false ends it.
    using OnData = std::function<bool(const HttpAnswer& head, std::string_view bytes)>;
    // An error where no answer came: kIo with the reason, kCancelled.
    Result<HttpAnswer> call(const HttpRequest& request, const OnData& on_data);

  private:
    struct Handles;
    std::unique_ptr<Handles> handles_;
};

}  // namespace s3attn
