#include "eval/run_record.h"

#include <fcntl.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <map>

#include "base/files.h"
#include "eval/git_commit.h"
#include "eval/json_text.h"

namespace s3attn::eval {
namespace {

namespace fs = std::filesystem;
constexpr uint64_t kMaxRowsBytes = 4ull << 30;
constexpr const char *kDataName = "data", *kDataHash = "data_hash";

std::string shown(const Json& value) { return value.is_null() ? "nothing" : dump_json(value); }

Status same_options(const Json& found, const Json& wanted, const std::string& directory) {
    const auto differs = [&](const std::string& name, const Json& was, const Json& is) -> Status {
        return make_error(ErrorCode::kMismatch,
                          directory + " holds a run with other options: " + name + " was " +
                              shown(was) + " there and is " + shown(is) +
                              " now; give another --out, or the options of that run");
    };
    for (const auto& [name, value] : wanted.items()) {
        if (name == kDataName && wanted.contains(kDataHash)) continue;  // the same bytes elsewhere
        if (!found.contains(name)) return differs(name, nullptr, value);
        if (found[name] != value) return differs(name, found[name], value);
    }
    for (const auto& [name, value] : found.items()) {
        if (!wanted.contains(name)) return differs(name, value, nullptr);
    }
    return {};
}

bool numbers(const Json& object) {
    return object.is_object() && std::all_of(object.begin(), object.end(),
                                             [](const Json& value) { return value.is_number(); });
}

// A figure that is no number (0 / 0) is written as null.
bool figures(const Json& object) {
    return object.is_object() && std::all_of(object.begin(), object.end(), [](const Json& value) {
               return value.is_number() || value.is_null();
           });
}

// What keeps a row from being one that a run has written; empty: nothing. Whoever reads rows relies
// on it.
std::string row_fault(const Json& row) {
    if (!row.is_object()) return "no JSON object";
    const auto wrong = [&row](const char* name, auto right) {
        return row.contains(name) && !right(row[name]);
    };
    for (const char* name : {"id", "method", "task", "group", "bucket"}) {
        if (wrong(name, [](const Json& value) { return value.is_string(); })) {
            return "\"" + std::string(name) + "\" is no text";
        }
    }
    if (wrong("metrics", figures)) return "\"metrics\" are no numbers";
    if (wrong("seconds", numbers)) return "\"seconds\" are no numbers";
    for (const char* name : {"truncated", "withheld"}) {
        if (wrong(name, [](const Json& value) { return value.is_boolean(); })) {
            return "\"" + std::string(name) + "\" is neither true nor false";
        }
    }
    if (wrong("peak_rss_bytes", [](const Json& value) { return value.is_number_unsigned(); })) {
        return "\"peak_rss_bytes\" is no number of bytes";
    }
    // Rows of one question have these three; the others tell about a method as a whole.
    if (row.contains("id") && (!row.contains("method") || !row.contains("metrics"))) {
        return "a row without \"method\" or \"metrics\"";
    }
    return "";
}

std::string named(const Json& row) {
    std::string text = "question " + dump_json(row["id"]) + " and method " +
                       dump_json(row.value("method", Json()));
    if (row.contains("budget") && row["budget"].is_number()) {
        text += " at " + dump_json(row["budget"]);
    }
    return text;
}

}  // namespace

Result<std::unique_ptr<RunRecord>> RunRecord::open(const std::string& directory,
                                                   const Json& options) {
    std::unique_ptr<RunRecord> record(new RunRecord());
    record->directory_ = directory;
    std::error_code error;
    fs::create_directories(directory, error);
    if (error) {
        return make_error(ErrorCode::kIo, "cannot make " + directory + ": " + error.message());
    }
    const std::string options_path = directory + "/options.json";
    if (fs::exists(options_path, error)) {
        S3ATTN_TRY(const std::string bytes, read_file(options_path, 16u << 20));
        const auto parsed = parse_json(bytes);
        const Json saved = parsed.ok() ? *parsed : Json();
        if (!saved.is_object() || !saved.contains("options") || !saved["options"].is_object() ||
            !saved.contains("started") || !saved["started"].is_string()) {
            return make_error(ErrorCode::kCorrupt,
                              options_path + " is damaged: remove " + directory + " and run again");
        }
        S3ATTN_CHECK(same_options(saved["options"], options, directory));
        record->started_ = saved["started"].get<std::string>();
        record->resumed_ = true;
    } else {
        if (fs::exists(directory + "/rows.jsonl", error)) {
            return make_error(ErrorCode::kInvalidArgument,
                              directory +
                                  " holds rows.jsonl but no options.json: give another "
                                  "--out");
        }
        record->started_ = now_utc();
        S3ATTN_CHECK(write_file_atomic(
            options_path,
            dump_json(Json{{"started", record->started_}, {"options", options}}, 1) + "\n"));
    }
    S3ATTN_CHECK(record->load_rows());
    record->finished_ = fs::exists(directory + "/run.json", error);
    return record;
}

Status RunRecord::lock_rows(const std::string& path) {
    file_ = Descriptor(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (!file_.open()) return errno_error("cannot write", path);
    // A file system without locks has none.
    const auto ours = lock_file(file_, LockKind::kExclusive, false, path);
    if (ours.ok() && !*ours) {
        return make_error(ErrorCode::kBusy, "another run works in " + directory_ +
                                                ": wait for it, or give another --out");
    }
    return {};
}

Status RunRecord::load_rows() {
    const std::string path = directory_ + "/rows.jsonl";
    S3ATTN_CHECK(lock_rows(path));
    std::error_code error;
    if (fs::exists(path, error)) {
        S3ATTN_TRY(const std::string bytes, read_file(path, kMaxRowsBytes));
        size_t begin = 0, line = 1;
        std::map<std::string, size_t> seen;  // to the line
        for (size_t end; (end = bytes.find('\n', begin)) != std::string::npos; ++line) {
            auto row = parse_json(std::string_view(bytes).substr(begin, end - begin));
            std::string fault = row.ok() ? row_fault(*row) : row.error().message;
            if (const std::string key = fault.empty() ? row_key(*row) : ""; !key.empty()) {
                const auto [first, added] = seen.emplace(key, line);
                if (!added) {
                    fault = "the row of " + named(*row) + " is there already, in line " +
                            std::to_string(first->second);
                }
            }
            if (!fault.empty()) {
                return make_error(ErrorCode::kCorrupt, path + ", line " + std::to_string(line) +
                                                           ": " + fault + "; remove " + directory_ +
                                                           " and run again");
            }
            rows_.push_back(*std::move(row));
            begin = end + 1;
        }
        // The line that a killed run was writing.
        if (begin < bytes.size()) fs::resize_file(path, begin, error);
        if (error) return make_error(ErrorCode::kIo, path + ": " + error.message());
    }
    return {};
}

std::string RunRecord::row_key(const Json& row) {
    if (!row.is_object() || !row.contains("id")) return "";
    std::string key;
    for (const char* name : {"task", "id", "method", "budget"}) {
        key += dump_json(row.value(name, Json())) + "\n";
    }
    return key;
}

Status RunRecord::add_row(Json row) {
    const std::string line = dump_json(row) + "\n";
    const std::lock_guard lock(mutex_);
    S3ATTN_CHECK(write_all(file_.get(), line, directory_ + "/rows.jsonl"));
    rows_.push_back(std::move(row));
    return {};
}

Status RunRecord::finish(const Json& document) {
    return write_file_atomic(directory_ + "/run.json", dump_json(document, 1) + "\n");
}

Json record_header(const std::string& task, const Json& options, uint64_t seed,
                   const std::string& started, Device device) {
    return Json{{"format", "s3attn-eval"},
                {"version", kRecordVersion},
                {"task", task},
                {"options", options},
                {"git_commit", S3ATTN_GIT_COMMIT},
                {"program_version", S3ATTN_PROGRAM_VERSION},
                {"machine", machine_json(device)},
                {"seed", seed},
                {"started", started}};
}

std::string now_utc() {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    gmtime_r(&now, &parts);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return text;
}

std::string dump_json(const Json& json, int indent) {
    return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace s3attn::eval
