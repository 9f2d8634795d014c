// "http(s)://HOST[:PORT]/v1#MODEL": a reader behind a server.
#pragma once

#include <string>
#include <string_view>

#include "s3attn/result.h"

namespace s3attn {

struct ReaderUrl {
    std::string base;       // without "#MODEL" and a slash at the end; "/v1" where it has no path
    std::string model;      // empty: the only one that the server has
    bool loopback = false;  // this machine
};
bool is_reader_url(std::string_view text);
// kInvalidArgument also for a name and password in it: they would be shown.
Result<ReaderUrl> parse_reader_url(const std::string& text);

}  // namespace s3attn
