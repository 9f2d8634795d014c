// How long a request's body is: decided here and once, from the raw head.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace s3attn::server {

// Bytes up to and with the empty line that ends a head; 0 while it is not there. Never more than
// the buffer holds.
size_t end_of_head(std::string_view buffer);

struct Framing {
    int status = 0;  // not 0: refuse the request with it
    std::string message;
    uint64_t body_bytes = 0;
};
// 411 for a body without a length of its own (any Transfer-Encoding, or POST, PUT and PATCH without
// Content-Length), 413 above `most`, 400 for lengths that contradict each other or are no numbers,
// for header lines without a colon and for control characters, 405 for unknown methods.
Framing read_framing(std::string_view head, uint64_t most);

}  // namespace s3attn::server
