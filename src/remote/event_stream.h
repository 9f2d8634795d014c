// Server-sent events: bytes as they come, one data text for each event.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "s3attn/result.h"

namespace s3attn {

class EventStream {
  public:
    static constexpr size_t kMostBytes = size_t{8} << 20;  // of one event

    // `on_data` is called with each event's data; false ends it. Comments and other fields are
    // passed over. kCorrupt for an event without an end.
    using OnData = std::function<Result<bool>(const std::string&)>;
    // Returns whether more is wanted.
    Result<bool> feed(std::string_view bytes, const OnData& on_data);
    // The last event may lack the empty line behind it.
    Result<bool> finish(const OnData& on_data);

  private:
    Result<bool> take_line(std::string_view line, const OnData& on_data);

    std::string line_, data_;
    bool any_ = false;
};

}  // namespace s3attn
