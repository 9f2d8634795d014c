// From the thread that works to the thread that talks to the client.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace s3attn::server {

template <class Event>
class Channel {
  public:
    void send(Event event) {
        {
            const std::lock_guard lock(mutex_);
            events_.push_back(std::move(event));
        }
        ready_.notify_one();
    }
    // The next event; nothing when none comes in time.
    std::optional<Event> receive(std::chrono::milliseconds time) {
        std::unique_lock lock(mutex_);
        if (!ready_.wait_for(lock, time, [this] { return !events_.empty(); })) return {};
        Event event = std::move(events_.front());
        events_.pop_front();
        return event;
    }

  private:
    std::mutex mutex_;
    std::condition_variable ready_;
    std::deque<Event> events_;
};

}  // namespace s3attn::server
