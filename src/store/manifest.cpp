#include "store/manifest.h"

#include <algorithm>
#include <charconv>

#include "base/files.h"
#include "store/layout.h"

namespace s3attn {
namespace {

constexpr std::string_view kFirstLine = "s3attn-export 1";
constexpr std::string_view kLastLine = "end ";
constexpr size_t kHashDigits = 32;

bool is_hash(std::string_view text) {
    return text.size() == kHashDigits && std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

bool parse_file(std::string_view line, ManifestFile& file) {
    const size_t first = line.find(' ');
    if (first == std::string_view::npos) return false;
    const size_t second = line.find(' ', first + 1);
    if (second == std::string_view::npos) return false;
    file.hash = line.substr(0, first);
    const std::string_view number = line.substr(first + 1, second - first - 1);
    file.name = line.substr(second + 1);
    const auto [end, error] =
        std::from_chars(number.data(), number.data() + number.size(), file.bytes);
    return is_hash(file.hash) && error == std::errc() && end == number.data() + number.size() &&
           std::to_string(file.bytes) == number;
}

}  // namespace

std::string write_manifest(const std::vector<ManifestFile>& files) {
    std::string text = std::string(kFirstLine) + "\n";
    for (const ManifestFile& file : files) {
        text += file.hash + " " + std::to_string(file.bytes) + " " + file.name + "\n";
    }
    return text + std::string(kLastLine) + hash_bytes(text) + "\n";
}

Result<std::vector<ManifestFile>> read_manifest(std::string_view text) {
    const auto bad = [](size_t line, const std::string& what) {
        return make_error(ErrorCode::kCorrupt, "line " + std::to_string(line) + ": " + what);
    };
    std::vector<ManifestFile> files;
    size_t begin = 0;
    for (size_t line = 1;; ++line) {
        const size_t end = text.find('\n', begin);
        if (end == std::string_view::npos) return bad(line, "the end is missing");
        const std::string_view content = text.substr(begin, end - begin);
        if (line == 1) {
            if (content != kFirstLine) {
                return make_error(ErrorCode::kUnsupported,
                                  "line 1: this program reads exports of version 1 only");
            }
        } else if (content.starts_with(kLastLine)) {
            if (content.substr(kLastLine.size()) != hash_bytes(text.substr(0, begin)) ||
                end + 1 != text.size()) {
                return bad(line, "the list does not match its checksum");
            }
            break;
        } else {
            ManifestFile file;
            if (!parse_file(content, file)) return bad(line, "not a checksum, length and name");
            const bool expected = files.empty()
                                      ? file.name == kCatalogFile
                                      : is_segment_file_name(file.name) &&
                                            (files.size() == 1 || file.name > files.back().name);
            if (!expected) return bad(line, "'" + file.name + "' is not the name expected there");
            files.push_back(std::move(file));
        }
        begin = end + 1;
    }
    if (files.empty()) return bad(2, "the catalogue is missing");
    return files;
}

}  // namespace s3attn
