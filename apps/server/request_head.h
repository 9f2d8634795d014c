// The head of a request, looked at before cpp-httplib parses it: how long is the body, exactly; and
// what of it cpp-httplib would take wrong.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace s3attn::server {

// Bytes up to and with the empty line that ends a head; 0 when there is none yet.
size_t end_of_head(std::string_view buffer);

// cpp-httplib's own bounds, which it does not tell apart from malformed heads.
constexpr size_t kMostTargetBytes = 8000;
constexpr size_t kMostHeaderBytes = 8000;

// A header that the handlers see where the target ended in a slash, which is taken away; a relative
// address in the answer depends on it. Of a client's own it is kept back.
inline constexpr char kSlashHeader[] = "s3attn-ended-in-slash";

struct Framing {
    int status = 0;           // of a refusal; 0: none
    std::string message;      // why
    uint64_t body_bytes = 0;  // where it has a Content-Length, or no body
    bool chunked = false;     // it ends with its last chunk
    // What cpp-httplib is given: without the lines that it must not act on, and the slash that
    // ends the path.
    std::string head;
};
// Refusals: 400 for lengths that contradict each other or are no numbers, for header lines without
// a colon and for control characters; 405 for unknown methods; 413 above `most`; 414 and 431 for
// longer lines; 501 for transfer encodings other than chunked. Without a length there is no body.
Framing read_framing(std::string_view head, uint64_t most);

}  // namespace s3attn::server
