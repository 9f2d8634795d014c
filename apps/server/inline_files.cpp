#include "inline_files.h"

#include <array>
#include <filesystem>
#include <utility>

#include "uploads.h"

namespace s3attn::server {
namespace {

int value_of(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+' || c == '-') return 62;
    if (c == '/' || c == '_') return 63;
    return -1;
}

constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kTypes = {{
    {"application/pdf", "pdf"},
    {"text/plain", "txt"},
    {"text/markdown", "md"},
    {"text/html", "html"},
    {"application/epub+zip", "epub"},
    {"message/rfc822", "eml"},
    {"application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"},
    {"application/xhtml+xml", "xhtml"},
}};

}  // namespace

std::optional<std::string> decode_base64(std::string_view text) {
    std::string bytes;
    bytes.reserve(text.size() / 4 * 3);
    uint32_t bits = 0;
    int count = 0;
    bool padded = false;
    for (const char c : text) {
        if (c == '\r' || c == '\n') continue;
        if (c == '=') {
            padded = true;
            continue;
        }
        const int value = value_of(c);
        if (value < 0 || padded) return {};
        bits = (bits << 6) | static_cast<uint32_t>(value);
        count += 6;
        if (count < 8) continue;
        count -= 8;
        bytes += static_cast<char>((bits >> count) & 0xFFu);
    }
    if (count == 6) return {};
    return bytes;
}

std::optional<std::string> extension_of_type(std::string_view media_type) {
    media_type = media_type.substr(0, media_type.find(';'));
    for (const auto& [type, extension] : kTypes) {
        if (type == media_type) return std::string(extension);
    }
    return {};
}

std::variant<InlineDocument, std::string> read_data_url(std::string_view data,
                                                        const std::string& name) {
    InlineDocument document;
    document.title = name;
    std::string type;
    if (data.starts_with("data:")) {
        const size_t comma = data.find(',');
        const std::string_view head = data.substr(5, comma == data.npos ? 0 : comma - 5);
        if (comma == data.npos || !head.ends_with(";base64")) {
            return "must hold a data address with base64: data:TYPE;base64,...";
        }
        type = head.substr(0, head.size() - std::string_view(";base64").size());
        data.remove_prefix(comma + 1);
    }
    std::string extension = std::filesystem::path(name).extension().string();
    if (!extension.empty()) extension.erase(0, 1);
    if (const auto known = extension_of_type(type)) extension = *known;
    // It becomes part of a file's name.
    if (extension.empty() || extension.size() > 16 || !problem_of_name(extension).empty()) {
        return "must say what it is: with a filename such as report.pdf, or a media type";
    }
    auto bytes = decode_base64(data);
    if (!bytes) return "holds something else than base64";
    document.extension = extension;
    document.bytes = std::move(*bytes);
    return document;
}

}  // namespace s3attn::server
