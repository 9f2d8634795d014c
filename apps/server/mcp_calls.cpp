#include "mcp_calls.h"

#include <cstdint>
#include <cstdio>
#include <random>

namespace s3attn::server {

McpCalls::Call::Call(McpCalls& calls, const std::string& session, const Json& message)
    : calls_(calls) {
    const Json id = message.is_object() ? message.value("id", Json()) : Json();
    const std::lock_guard lock(calls_.mutex_);
    place_ = calls_.running_.emplace(Key(session, id.dump()), cancelled_);
}

McpCalls::Call::~Call() {
    const std::lock_guard lock(calls_.mutex_);
    calls_.running_.erase(place_);
}

void McpCalls::take_cancellation(const std::string& session, const Json& message) {
    if (session.empty() || !message.is_object() ||
        message.value("method", Json()) != "notifications/cancelled") {
        return;
    }
    const Json params = message.value("params", Json());
    const Json id = params.is_object() ? params.value("requestId", Json()) : Json();
    if (id.is_null()) return;
    const std::lock_guard lock(mutex_);
    const auto [first, last] = running_.equal_range(Key(session, id.dump()));
    for (auto call = first; call != last; ++call) call->second->cancel();
}

std::string McpCalls::new_session() {
    std::random_device random;
    std::string session;
    for (int i = 0; i < 4; ++i) {
        char digits[9];
        std::snprintf(digits, sizeof digits, "%08x", static_cast<unsigned>(random()));
        session += digits;
    }
    return session;
}

}  // namespace s3attn::server
