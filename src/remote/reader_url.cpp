#include "remote/reader_url.h"

#include <algorithm>

namespace s3attn {

bool is_reader_url(std::string_view text) {
    return text.starts_with("http://") || text.starts_with("https://");
}

Result<ReaderUrl> parse_reader_url(const std::string& text) {
    const auto refuse = [](const char* why) {
        return make_error(ErrorCode::kInvalidArgument,
                          std::string("the reader's address ") + why +
                              "; it looks like http://localhost:11434/v1#MODEL");
    };
    ReaderUrl url;
    const size_t mark = text.find('#');
    url.base = text.substr(0, mark);
    if (mark != std::string::npos) url.model = text.substr(mark + 1);
    if (!is_reader_url(url.base)) return refuse("does not begin with http:// or https://");
    const size_t begin = url.base.find("://") + 3;
    while (url.base.size() > begin && url.base.ends_with('/')) url.base.pop_back();
    const size_t end = std::min(url.base.find('/', begin), url.base.size());
    std::string host = begin <= end ? url.base.substr(begin, end - begin) : "";
    // As people copy it: without a path, or with the path of one call.
    if (end == url.base.size()) url.base += "/v1";
    for (const std::string_view call : {"/chat/completions", "/models"}) {
        if (url.base.ends_with(call)) url.base.resize(url.base.size() - call.size());
    }
    if (host.find('@') != std::string::npos) {
        return refuse("holds a name or a password, which would be shown: put the key into a file");
    }
    for (const char c : text) {
        if (static_cast<unsigned char>(c) <= ' ') return refuse("has white space in it");
    }
    if (url.base.find('?') != std::string::npos) return refuse("has a query in it");
    if (host.starts_with('[')) {
        host = host.substr(0, host.find(']') + 1);
    } else {
        host = host.substr(0, host.find(':'));
    }
    if (host.empty() || host == "[]") return refuse("names no host");
    url.loopback = host == "localhost" || host == "[::1]" || host.starts_with("127.");
    return url;
}

}  // namespace s3attn
