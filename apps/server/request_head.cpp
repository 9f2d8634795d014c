#include "request_head.h"

#include <charconv>
#include <optional>

namespace s3attn::server {
namespace {

bool same_name(std::string_view a, std::string_view lower) {
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

Framing refusal(int status, std::string message) { return {status, std::move(message), 0}; }

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
    const std::string_view method = request.substr(0, request.find(' '));
    if (!is_known(method)) return refusal(405, "this method is not done here");
    std::optional<uint64_t> length;
    while (!head.empty()) {
        const std::string_view line = next_line(head);
        if (line.empty()) break;
        const size_t colon = line.find(':');
        if (colon == line.npos || colon == 0 || line[0] == ' ' || line[0] == '\t' ||
            line[colon - 1] == ' ' || has_control(line)) {
            return refusal(400, "a header line is malformed");
        }
        const std::string_view name = line.substr(0, colon);
        const std::string_view value = trimmed(line.substr(colon + 1));
        if (same_name(name, "transfer-encoding")) {
            return refusal(411, "send the body with a Content-Length, not in chunks");
        }
        if (!same_name(name, "content-length")) continue;
        const auto parsed = parse_length(value);
        if (!parsed) return refusal(400, "Content-Length is not a number");
        if (length && *length != *parsed) return refusal(400, "two different Content-Lengths");
        length = parsed;
    }
    if (!length && (method == "POST" || method == "PUT" || method == "PATCH")) {
        return refusal(411, "a request with a body needs a Content-Length");
    }
    if (length.value_or(0) > most) {
        return refusal(413, "the body has " + std::to_string(*length) + " bytes and at most " +
                                std::to_string(most) + " are taken");
    }
    return {0, {}, length.value_or(0)};
}

}  // namespace s3attn::server
