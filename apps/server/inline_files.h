// Files inside JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "inline_store.h"

namespace s3attn::server {

// Nothing when the text is no base64 (RFC 4648, with padding or without; line ends are passed
// over).
std::optional<std::string> decode_base64(std::string_view text);

// The extension under which a file of that media type is read; nothing for those that cannot be.
std::optional<std::string> extension_of_type(std::string_view media_type);

// "data:TYPE;base64,...", or base64 alone where the file's name tells what it is; or what is wrong.
std::variant<InlineDocument, std::string> read_data_url(std::string_view data,
                                                        const std::string& name);

}  // namespace s3attn::server
