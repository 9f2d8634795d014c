#include "sync/sync_state.h"

#include <nlohmann/json.hpp>

#include "base/files.h"

namespace s3attn::apps {
namespace {

using StateJson = nlohmann::json;
constexpr uint64_t kMostBytes = 1ull << 30;
constexpr int64_t kYoung = 2;  // seconds: the coarsest times of file systems
constexpr int kVersion = 1;

std::string state_file(const std::string& store) { return store + "/sync.json"; }

int64_t nanoseconds(const timespec& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; }

}  // namespace

FileState state_of(const struct stat& status, int64_t now) {
    FileState state;
    state.bytes = static_cast<uint64_t>(status.st_size);
    state.inode = status.st_ino;
    state.changed = nanoseconds(status.st_ctim);
    if (status.st_ctim.tv_sec + kYoung <= now) state.modified = nanoseconds(status.st_mtim);
    return state;
}

SyncState SyncState::load(const std::string& store) {
    SyncState state;
    const auto bytes = read_file(state_file(store), kMostBytes);
    if (!bytes.ok()) return state;
    try {
        const StateJson json = StateJson::parse(*bytes);
        if (json.at("version") != kVersion) return state;
        state.reader = json.at("reader");
        for (const StateJson& row : json.at("files")) {
            FileState file;
            file.bytes = row.at(1);
            file.inode = row.at(2);
            file.modified = row.at(3);
            file.changed = row.at(4);
            file.folder = row.at(5);
            file.hash = row.at(6);
            file.problem = row.at(7);
            state.files[row.at(0)] = std::move(file);
        }
    } catch (const StateJson::exception&) {
        return {};
    }
    return state;
}

Status SyncState::save(const std::string& store) const {
    StateJson rows = StateJson::array();
    for (const auto& [path, file] : files) {
        rows.push_back({path, file.bytes, file.inode, file.modified, file.changed, file.folder,
                        file.hash, file.problem});
    }
    const StateJson json = {{"version", kVersion}, {"reader", reader}, {"files", std::move(rows)}};
    // A name that is no UTF-8 is not found again under the one that stands here: it is read anew.
    return write_file_atomic(state_file(store),
                             json.dump(-1, ' ', false, StateJson::error_handler_t::replace));
}

}  // namespace s3attn::apps
