#include "question_log.h"

#include <fcntl.h>

#include <chrono>
#include <ctime>
#include <fstream>

#include "base/files.h"

namespace s3attn::server {
namespace {

std::string now_in_utc() {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    char text[32];
    const size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return std::string(text, length);
}

}  // namespace

Status QuestionLog::open(const std::string& file) {
    // What people ask is for nobody else's eyes.
    descriptor_ = Descriptor(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!descriptor_.open()) return errno_error("cannot write to", file);
    file_ = file;
    return {};
}

void QuestionLog::write(const Json& entry) {
    Json json = {{"time", now_in_utc()}};
    json.update(entry);
    const std::string line = apps::dump(json) + "\n";
    const std::lock_guard lock(mutex_);
    [[maybe_unused]] const Status written = write_all(descriptor_.get(), line, file_);
}

Result<std::string> QuestionLog::lines(uint64_t after, uint64_t most,
                                       const std::function<bool(const Json&)>& wanted) const {
    std::ifstream stream(file_, std::ios::binary);
    if (!stream) return make_error(ErrorCode::kIo, "the log of questions cannot be read");
    std::string all, line;
    while (most > 0 && std::getline(stream, line)) {
        const Json json = Json::parse(line, nullptr, false);
        if (json.is_discarded() || !wanted(json)) continue;
        if (after > 0) {
            --after;
            continue;
        }
        all += line + "\n";
        --most;
    }
    return all;
}

}  // namespace s3attn::server
