// Calls of tools over HTTP that run, so that a client can take one back: the request runs in one
// POST, "notifications/cancelled" comes in another. A session's id, which `initialize` hands out,
// says that both are of one client; the ids of requests alone are the same for many.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "errors.h"
#include "s3attn/progress.h"

namespace s3attn::server {

class McpCalls {
    using Key = std::pair<std::string, std::string>;  // session, the request's id
    using Running = std::multimap<Key, std::shared_ptr<CancelToken>>;

  public:
    // A call, from its construction to its end. Without a session it cannot be taken back.
    class Call {
      public:
        Call(McpCalls& calls, const std::string& session, const Json& message);
        ~Call();
        Call(const Call&) = delete;
        Call& operator=(const Call&) = delete;
        bool cancelled() const { return cancelled_->cancelled(); }

      private:
        McpCalls& calls_;
        std::shared_ptr<CancelToken> cancelled_ = std::make_shared<CancelToken>();
        Running::iterator place_;
    };
    // Where `message` is "notifications/cancelled": stops the call that it names, if it is of that
    // session and still runs.
    void take_cancellation(const std::string& session, const Json& message);

    // Nobody can guess it; it stands for nothing that is kept.
    static std::string new_session();

  private:
    std::mutex mutex_;
    Running running_;
};

}  // namespace s3attn::server
