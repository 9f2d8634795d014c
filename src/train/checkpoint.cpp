#include "train/checkpoint.h"

#include <fcntl.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "s3attn/reason.h"

namespace s3attn {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kLock = "train.lock";
constexpr const char* kSuffix = ".checkpoint";
constexpr uint64_t kMaxPartBytes = uint64_t{8} << 30;

Json origin_json(const Origin& origin) {
    Json json = Json::object();
    for (const auto& [field, value] : origin) json[field] = value;
    return json;
}

std::string difference(const Json& then, const Origin& now) {
    for (const auto& [field, value] : now) {
        if (!then.contains(field)) return field + " is new";
        const std::string old =
            then[field].is_string() ? then[field].get<std::string>() : then[field].dump();
        if (old != value) return field + " was " + old + ", is " + value;
    }
    return then.size() == now.size() ? std::string() : "it depended on more";
}

// The parts of a checkpoint file; empty origin: not one.
struct Parsed {
    Json origin;
    std::string_view bytes;
};
std::optional<Parsed> parse(std::string_view file) {
    const size_t line = file.find('\n');
    if (line == std::string_view::npos) return std::nullopt;
    const Json head = Json::parse(file.substr(0, line), nullptr, false);
    if (!head.is_object() || !head.contains("from") || !head.contains("hash")) return std::nullopt;
    Parsed parsed{head["from"], file.substr(line + 1)};
    if (!parsed.origin.is_object() || head["hash"] != hash_bytes(parsed.bytes)) return std::nullopt;
    return parsed;
}

void remove_leftovers(const fs::path& directory) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(directory, ignored)) {
        const std::string name = entry.path().filename().string();
        if (name.find(".tmp.") != std::string::npos) fs::remove(entry.path(), ignored);
    }
}

}  // namespace

Result<Checkpoints> Checkpoints::open(const std::string& directory, ProgressSink& sink) {
    std::error_code error;
    const fs::path path(directory), lock = path / kLock;
    if (fs::exists(path, error) && !fs::exists(lock, error) &&
        !(fs::is_directory(path, error) && fs::is_empty(path, error))) {
        return make_error(ErrorCode::kInvalidArgument, reason::kOption, "work",
                          "'" + directory +
                              "' is there already and holds no checkpoints of a "
                              "training run: name another directory");
    }
    fs::create_directories(path, error);
    if (error) {
        return make_error(ErrorCode::kIo, "cannot make the directory '" + directory +
                                              "' for checkpoints: " + error.message());
    }
    Checkpoints made;
    made.lock_ = Descriptor(::open(lock.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644));
    if (!made.lock_.open()) return errno_error("cannot write into", directory);
    S3ATTN_TRY(const bool ours, lock_file(made.lock_, LockKind::kExclusive, false, lock));
    if (!ours) {
        return make_error(ErrorCode::kBusy, reason::kOption, "out",
                          "another training run works in '" + directory +
                              "': wait for it, or name another output");
    }
    made.directory_ = directory;
    made.sink_ = &sink;
    remove_leftovers(path);
    return made;
}

Checkpoints::Checkpoints(Checkpoints&& other) noexcept { *this = std::move(other); }

Checkpoints& Checkpoints::operator=(Checkpoints&& other) noexcept {
    if (this == &other) return *this;
    release();
    directory_ = std::exchange(other.directory_, std::string());
    lock_ = std::move(other.lock_);
    sink_ = other.sink_;
    said_resumed_ = other.said_resumed_;
    return *this;
}

Checkpoints::~Checkpoints() { release(); }

void Checkpoints::release() {
    if (!lock_.open()) return;
    // A run that finished nothing leaves nothing.
    std::error_code ignored;
    const auto entries = fs::directory_iterator(directory_, ignored);
    if (std::distance(fs::begin(entries), fs::end(entries)) == 1) {
        fs::remove(directory_ + "/" + kLock, ignored);
        fs::remove(directory_, ignored);
    }
    lock_.close();
}

std::optional<std::string> Checkpoints::load(const std::string& part, const Origin& origin) {
    if (!enabled()) return std::nullopt;
    const std::string path = directory_ + "/" + part + kSuffix;
    std::error_code error;
    if (!fs::exists(path, error)) return std::nullopt;
    const auto file = read_file(path, kMaxPartBytes);
    const auto parsed = file.ok() ? parse(*file) : std::nullopt;
    if (!parsed) {
        sink_->note("checkpoint '" + path + "' is damaged: this part starts over");
        return std::nullopt;
    }
    if (const std::string differs = difference(parsed->origin, origin); !differs.empty()) {
        sink_->note("checkpoint '" + path + "' does not fit (" + differs +
                    "): this part starts over");
        return std::nullopt;
    }
    if (!said_resumed_) {
        sink_->note("resuming: finished parts are taken from '" + directory_ + "'");
    }
    said_resumed_ = true;
    return std::string(parsed->bytes);
}

Status Checkpoints::save(const std::string& part, const Origin& origin, std::string_view bytes) {
    if (!enabled()) return {};
    const Json head = {{"from", origin_json(origin)}, {"hash", hash_bytes(bytes)}};
    std::string file = head.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    file.append(bytes);
    return write_file_atomic(directory_ + "/" + part + kSuffix, file);
}

void Checkpoints::remove() {
    if (!enabled()) return;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(directory_, ignored)) {
        const fs::path& path = entry.path();  // only what is ours
        if (path.extension() == kSuffix || path.filename() == "heads.svg") {
            fs::remove(path, ignored);
        }
    }
    release();
    directory_.clear();
}

}  // namespace s3attn
