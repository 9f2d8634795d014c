// What servers say when they do not answer, each in its own form.
#pragma once

#include <string>
#include <string_view>

namespace s3attn {

std::string lower_ascii(std::string text);
// The message of {"error": {"message"}}, {"error": ""}, {"message"}, {"detail"}, or the begin of
// the body; one line of at most 300 bytes.
std::string server_message(const std::string& body);
// Whether a message says that the request does not fit the model's window.
bool says_too_long(const std::string& message);
bool is_web_page(const std::string& content_type, std::string_view body);

}  // namespace s3attn
