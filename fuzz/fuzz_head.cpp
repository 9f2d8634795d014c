// The head of an HTTP request and a body in chunks, of any bytes: what is let through is one
// request of one exact length, however its bytes come in.
#include <algorithm>
#include <optional>
#include <string>

#include "../apps/server/chunked_body.h"
#include "../apps/server/request_head.h"
#include "target.h"

namespace s3attn::fuzz {
namespace {

using server::ChunkedBody;
constexpr uint64_t kMost = 1000;

struct Body {
    ChunkedBody::State state = ChunkedBody::State::kMore;
    std::string content;
    size_t used = 0;
    bool operator==(const Body&) const = default;
};

Body dechunked(std::string_view bytes, size_t piece, size_t room) {
    ChunkedBody body(kMost);
    Body all;
    std::string out(room, '\0');
    while (!body.ended() && all.used < bytes.size()) {
        const auto taken = body.take(bytes.substr(all.used, piece), out.data(), room);
        if (taken.content > room) fail("more content than there is room");
        if (taken.used == 0) fail("the chunks stand still");
        all.used += taken.used;
        all.content.append(out, 0, taken.content);
    }
    all.state = body.state();
    if (all.content.size() > kMost) fail("more content than is taken");
    return all;
}

// What came before a body turned out wrong depends on the pieces; whether it did, does not.
void check_chunks(std::string_view bytes) {
    const Body whole = dechunked(bytes, bytes.size(), 2 * kMost);
    for (const auto& [piece, room] : {std::pair<size_t, size_t>(1, 1), {7, 3}, {3, 2000}}) {
        const Body pieces = dechunked(bytes, piece, room);
        if (pieces != whole) fail("the pieces in which chunks come make a difference");
    }
}

void check_head(std::string_view head) {
    const server::Framing framing = server::read_framing(head, kMost);
    if (framing.status != 0) {
        if (framing.status < 400 || framing.message.empty()) fail("a refusal without a reason");
        return;
    }
    if (framing.body_bytes > kMost) fail("a body that is too long is let through");
    if (framing.chunked && framing.body_bytes > 0) fail("two lengths of one body");
    if (server::end_of_head(framing.head) != framing.head.size()) fail("two heads of one request");
    for (const char c : framing.head) {
        const auto byte = static_cast<unsigned char>(c);
        if ((byte < 0x20 && byte != '\t' && byte != '\r' && byte != '\n') || byte == 0x7f) {
            fail("a control character is let through");
        }
    }
    // What is handed on says the same, and nothing of chunks. That the target ended in a slash is
    // said by a header of the server's own, which a second reading keeps back like a client's.
    std::string expected = framing.head;
    const std::string slash = std::string(server::kSlashHeader) + ": 1\r\n";
    const size_t first = expected.find("\r\n") + 2;  // behind the request line
    if (expected.compare(first, slash.size(), slash) == 0) expected.erase(first, slash.size());
    const server::Framing again = server::read_framing(framing.head, kMost);
    if (again.status != 0 || again.chunked || again.head != expected ||
        again.body_bytes != framing.body_bytes) {
        fail("the head that is handed on is another request");
    }
}

}  // namespace

std::vector<std::string> seeds() {
    const std::string post = "POST /v1/search/?a=b HTTP/1.1\r\nHost: localhost\r\n";
    return {post + "Content-Length: 2\r\nContent-Type: application/json\r\n\r\n{}",
            post +
                "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n00a;x=y\r\n0123456789\r\n0\r\n"
                "Trailer: x\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            post +
                "Content-Encoding: identity\r\nContent-Type: "
                "application/x-www-form-urlencoded\r\ncontent-length: 0\r\n\r\n",
            "GET / HTTP/1.1\nHost: x\n\n",
            "5\r\nhello\r\n0\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nOrigin: null\r\n\r\n"};
}

}  // namespace s3attn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace s3attn;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const size_t end = server::end_of_head(bytes);
    if (end > bytes.size()) fuzz::fail("a head that is longer than its bytes");
    fuzz::check_head(end > 0 ? bytes.substr(0, end) : bytes);
    fuzz::check_chunks(bytes.substr(end));
    return 0;
}
