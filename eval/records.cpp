#include "eval/records.h"

#include "base/files.h"

namespace s3attn::eval {
namespace {

constexpr uint64_t kMaxBytes = 4ull << 30;

std::string parse_error(std::string_view text) {
    try {
        const Json parsed = Json::parse(text);
        return parsed.is_object() ? "" : "not a JSON object";
    } catch (const Json::parse_error& error) {
        return error.what();
    }
}

Result<std::vector<Record>> read_array(const std::string& path, const Json& array) {
    if (array.empty()) return make_error(ErrorCode::kCorrupt, path + " holds no records");
    std::vector<Record> records;
    for (size_t i = 0; i < array.size(); ++i) {
        Record record{array[i], path + ", record " + std::to_string(i + 1)};
        if (!record.json.is_object()) return bad_record(record, "not a JSON object");
        records.push_back(std::move(record));
    }
    return records;
}

}  // namespace

Result<std::vector<Record>> read_records(const std::string& path) {
    S3ATTN_TRY(const std::string bytes, read_file(path, kMaxBytes));
    std::string_view text = bytes;
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    const size_t first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) {
        return make_error(ErrorCode::kCorrupt, path + " holds no records");
    }
    if (text[first] == '[') {
        const Json whole = Json::parse(text, nullptr, false);
        if (!whole.is_array()) {
            return make_error(ErrorCode::kCorrupt, path + ": " + parse_error(text));
        }
        return read_array(path, whole);
    }
    std::vector<Record> records;
    size_t number = 1;
    for (size_t begin = 0; begin < text.size(); ++number) {
        const size_t end = std::min(text.find('\n', begin), text.size());
        const std::string_view line = text.substr(begin, end - begin);
        begin = end + 1;
        if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
        Json json = Json::parse(line, nullptr, false);
        if (!json.is_object()) {
            // An object spread over lines is one record.
            if (records.empty()) {
                Json whole = Json::parse(text, nullptr, false);
                if (whole.is_object()) return std::vector<Record>{{std::move(whole), path}};
            }
            return make_error(ErrorCode::kCorrupt,
                              path + ", line " + std::to_string(number) + ": " + parse_error(line));
        }
        records.push_back({std::move(json), path + ", line " + std::to_string(number)});
    }
    return records;
}

Error bad_record(const Record& record, const std::string& what) {
    return make_error(ErrorCode::kCorrupt, record.place + ": " + what);
}

Result<std::string> string_field(const Record& record, const Json& object,
                                 const std::string& name) {
    if (!object.is_object() || !object.contains(name) || !object[name].is_string()) {
        return bad_record(record, "no string \"" + name + "\"");
    }
    return object[name].get<std::string>();
}

}  // namespace s3attn::eval
