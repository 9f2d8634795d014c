#include "remote/event_stream.h"

namespace s3attn {

Result<bool> EventStream::take_line(std::string_view line, const OnData& on_data) {
    if (line.empty()) {
        if (!any_) return true;
        any_ = false;
        const std::string data = std::move(data_);
        data_.clear();
        return on_data(data);
    }
    if (!line.starts_with("data:")) return true;
    line.remove_prefix(5);
    if (line.starts_with(' ')) line.remove_prefix(1);
    if (any_) data_ += '\n';
    data_ += line;
    any_ = true;
    return true;
}

Result<bool> EventStream::feed(std::string_view bytes, const OnData& on_data) {
    for (;;) {
        const size_t end = bytes.find('\n');
        line_ += bytes.substr(0, end);
        if (line_.size() + data_.size() > kMostBytes) {
            return make_error(ErrorCode::kCorrupt, "it sends an event of more than 8 MiB");
        }
        if (end == std::string_view::npos) return true;
        bytes.remove_prefix(end + 1);
        if (line_.ends_with('\r')) line_.pop_back();
        const std::string line = std::move(line_);
        line_.clear();
        S3ATTN_TRY(const bool more, take_line(line, on_data));
        if (!more) return false;
    }
}

Result<bool> EventStream::finish(const OnData& on_data) {
    S3ATTN_TRY(const bool more, take_line(line_, on_data));
    line_.clear();
    if (!more) return false;
    return take_line("", on_data);
}

}  // namespace s3attn
