#include "eval/records.h"

#include "base/files.h"
#include "eval/json_text.h"

namespace s3attn::eval {
namespace {

constexpr uint64_t kMaxBytes = 4ull << 30;

constexpr size_t kMostQuotedBytes = 400;  // a value that a message quotes may be a whole document

Result<std::vector<Record>> read_array(const std::string& path, Json array) {
    if (array.empty()) return make_error(ErrorCode::kCorrupt, path + " holds no records");
    std::vector<Record> records;
    for (size_t i = 0; i < array.size(); ++i) {
        Record record{std::move(array[i]), path + ", record " + std::to_string(i + 1)};
        if (!record.json.is_object()) return bad_record(record, "not a JSON object");
        records.push_back(std::move(record));
    }
    return records;
}

}  // namespace

Result<std::vector<Record>> read_records(const std::string& path, std::string& hash) {
    S3ATTN_TRY(const std::string bytes, read_file(path, kMaxBytes));
    hash = hash_bytes(bytes);
    std::string_view text = bytes;
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    const size_t first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) {
        return make_error(ErrorCode::kCorrupt, path + " holds no records");
    }
    if (text[first] == '[') {
        auto whole = parse_json(text);
        if (!whole.ok())
            return make_error(ErrorCode::kCorrupt, path + ": " + whole.error().message);
        return read_array(path, *std::move(whole));
    }
    std::vector<Record> records;
    size_t number = 1;
    for (size_t begin = 0; begin < text.size(); ++number) {
        const size_t end = std::min(text.find('\n', begin), text.size());
        const std::string_view line = text.substr(begin, end - begin);
        begin = end + 1;
        if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
        const std::string place = path + ", line " + std::to_string(number);
        auto json = parse_json(line);
        // An object spread over lines is one record, and what is wrong in it may stand far below.
        if (!json.ok() && records.empty() && json.error().reason == kEndsTooSoon) {
            json = parse_json(text);
            if (!json.ok()) {
                return make_error(ErrorCode::kCorrupt, path + ": " + json.error().message);
            }
            return std::vector<Record>{{*std::move(json), path}};
        }
        if (!json.ok()) return make_error(ErrorCode::kCorrupt, place + ": " + json.error().message);
        if (!json->is_object())
            return make_error(ErrorCode::kCorrupt, place + ": not a JSON object");
        records.push_back({*std::move(json), place});
    }
    return records;
}

Error bad_record(const Record& record, const std::string& what) {
    return make_error(ErrorCode::kCorrupt,
                      record.place + ": " + shortened(what, kMostQuotedBytes));
}

Result<std::string> string_field(const Record& record, const Json& object,
                                 const std::string& name) {
    if (!object.is_object() || !object.contains(name) || !object[name].is_string()) {
        return bad_record(record, "no string \"" + name + "\"");
    }
    return object[name].get<std::string>();
}

}  // namespace s3attn::eval
