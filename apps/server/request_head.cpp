#include "request_head.h"

#include <charconv>
#include <optional>

namespace s3attn::server {
namespace {

// Without regard to case; `lower` has none that is upper.
bool same_text(std::string_view a, std::string_view lower) {
    if (a.size() != lower.size()) return false;
    for (size_t i = 0; i < a.size(); ++i) {
        const char c = a[i] >= 'A' && a[i] <= 'Z' ? static_cast<char>(a[i] - 'A' + 'a') : a[i];
        if (c != lower[i]) return false;
    }
    return true;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

std::optional<uint64_t> parse_length(std::string_view text) {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || text.empty()) return {};
    return value;
}

std::string_view next_line(std::string_view& head) {
    const size_t end = head.find('\n');
    std::string_view line = head.substr(0, end);
    head.remove_prefix(end == head.npos ? head.size() : end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    return line;
}

bool has_control(std::string_view line) {
    for (const char c : line) {
        const auto byte = static_cast<unsigned char>(c);
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f) return true;
    }
    return false;
}

// Those that are routed on, and answered by 405 with what is allowed there where need be.
bool is_known(std::string_view method) {
    for (const std::string_view known :
         {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}) {
        if (method == known) return true;
    }
    return false;
}

Framing refusal(int status, std::string message) {
    Framing framing;
    framing.status = status;
    framing.message = std::move(message);
    return framing;
}

struct Header {
    std::string_view name, value;
};

std::optional<Header> parse_header(std::string_view line) {
    const size_t colon = line.find(':');
    if (colon == line.npos || colon == 0 || line[0] == ' ' || line[0] == '\t' ||
        line[colon - 1] == ' ' || has_control(line)) {
        return {};
    }
    return Header{line.substr(0, colon), trimmed(line.substr(colon + 1))};
}

// What is known of the body when all header lines are read.
struct BodyLength {
    std::optional<uint64_t> length;
    bool chunked = false;
    // Takes a line that speaks of it; a refusal where it makes no sense.
    std::optional<Framing> take(const Header& header) {
        if (same_text(header.name, "transfer-encoding")) {
            if (chunked) return refusal(400, "two Transfer-Encodings");
            if (!same_text(header.value, "chunked")) {
                return refusal(501, "the only Transfer-Encoding that is taken is chunked");
            }
            chunked = true;
        } else if (same_text(header.name, "content-length")) {
            const auto parsed = parse_length(header.value);
            if (!parsed) return refusal(400, "Content-Length is not a number");
            if (length && *length != *parsed) {
                return refusal(400, "two different Content-Lengths");
            }
            length = parsed;
        }
        return {};
    }
};

// cpp-httplib would take a form apart and refuse it above 8 KiB, and it is what curl calls every
// body; chunks are taken apart before it; identity is no encoding.
bool is_kept_back(const Header& header) {
    if (same_text(header.name, "content-type")) {
        const std::string_view type = trimmed(header.value.substr(0, header.value.find(';')));
        return same_text(type, "application/x-www-form-urlencoded");
    }
    if (same_text(header.name, "content-encoding")) {
        return header.value.empty() || same_text(header.value, "identity");
    }
    return same_text(header.name, "transfer-encoding") || same_text(header.name, kSlashHeader);
}

// "GET /v1/models/?x HTTP/1.1" without the slash before the question mark.
std::string without_last_slash(std::string_view request) {
    std::string line(request);
    const size_t target = line.find(' ');
    if (target == line.npos) return line;
    size_t end = line.find_first_of("? #", target + 1);
    if (end == line.npos) return line;
    while (end > target + 2 && line[end - 1] == '/') line.erase(--end, 1);
    return line;
}

}  // namespace

size_t end_of_head(std::string_view buffer) {
    for (size_t at = buffer.find('\n'); at != buffer.npos; at = buffer.find('\n', at + 1)) {
        if (buffer.substr(at + 1).starts_with("\r\n")) return at + 3;
        if (buffer.substr(at + 1).starts_with("\n")) return at + 2;
    }
    return 0;
}

Framing read_framing(std::string_view head, uint64_t most) {
    const std::string_view request = next_line(head);
    if (has_control(request)) return refusal(400, "the request line has control characters");
    if (request.size() > kMostTargetBytes) {
        return refusal(
            414, "the request line is longer than " + std::to_string(kMostTargetBytes) + " bytes");
    }
    const std::string_view method = request.substr(0, request.find(' '));
    if (!is_known(method)) return refusal(405, "this method is not done here");
    Framing framing;
    const std::string line_of_request = without_last_slash(request);
    framing.head = line_of_request + "\r\n";
    if (line_of_request.size() < request.size()) {
        framing.head += std::string(kSlashHeader) + ": 1\r\n";
    }
    BodyLength body;
    while (!head.empty()) {
        const std::string_view line = next_line(head);
        if (line.empty()) break;
        if (line.size() > kMostHeaderBytes) {
            return refusal(
                431, "a header is longer than " + std::to_string(kMostHeaderBytes) + " bytes");
        }
        const auto header = parse_header(line);
        if (!header) return refusal(400, "a header line is malformed");
        if (auto refused = body.take(*header)) return *refused;
        if (!is_kept_back(*header)) framing.head.append(line).append("\r\n");
    }
    framing.head += "\r\n";
    if (body.chunked && (body.length || request.ends_with("HTTP/1.0"))) {
        return refusal(400, "a body in chunks has no Content-Length, and needs HTTP/1.1");
    }
    if (body.length.value_or(0) > most) {
        return refusal(413, "the body has " + std::to_string(*body.length) + " bytes and at most " +
                                std::to_string(most) + " are taken");
    }
    framing.body_bytes = body.length.value_or(0);
    framing.chunked = body.chunked;
    return framing;
}

}  // namespace s3attn::server
