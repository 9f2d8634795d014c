// The web page and the interface's specification, embedded in the program.
#pragma once

#include <string_view>
#include <vector>

namespace s3attn::server {

struct WebFile {
    const char* pattern;  // a regular expression, as cpp-httplib wants it
    const char* type;
    std::string_view text;
};
const std::vector<WebFile>& web_files();

}  // namespace s3attn::server
