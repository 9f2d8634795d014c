#include "remote/server_words.h"

#include <array>
#include <nlohmann/json.hpp>

namespace s3attn {
namespace {

using Json = nlohmann::json;
constexpr size_t kMostShown = 300;

// Control characters would move a terminal's cursor.
std::string one_line(std::string text) {
    text.resize(std::min(text.size(), kMostShown));
    for (char& c : text) {
        const auto byte = static_cast<unsigned char>(c);
        c = byte < ' ' || byte == 0x7F ? ' ' : c;
    }
    return text;
}

}  // namespace

std::string lower_ascii(std::string text) {
    for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return text;
}

std::string server_message(const std::string& body) {
    const Json json = Json::parse(body, nullptr, false);
    if (json.is_object()) {
        for (const char* field : {"error", "message", "detail"}) {
            const auto found = json.find(field);
            if (found == json.end() || found->is_null()) continue;
            if (found->is_string()) return one_line(found->get<std::string>());
            if (found->is_object() && found->contains("message") &&
                (*found)["message"].is_string()) {
                return one_line((*found)["message"].get<std::string>());
            }
            return one_line(found->dump(-1, ' ', false, Json::error_handler_t::replace));
        }
    }
    const std::string said = one_line(body);
    return said.find_first_not_of(' ') == std::string::npos ? "it says no more" : said;
}

bool says_too_long(const std::string& message) {
    constexpr std::array kSigns{"context length",       "context_length", "context window",
                                "context size",         "too long",       "maximum context",
                                "too many tokens",      "over_window",    "reader's window",
                                "exceeds the available"};
    const std::string text = lower_ascii(message);
    for (const char* sign : kSigns) {
        if (text.find(sign) != std::string::npos) return true;
    }
    return false;
}

bool is_web_page(const std::string& content_type, std::string_view body) {
    const size_t begin = body.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
    return lower_ascii(content_type).find("html") != std::string::npos ||
           (begin != std::string_view::npos && body[begin] == '<');
}

}  // namespace s3attn
