#include "engine/store_slot.h"

#include <filesystem>

#include "engine/fingerprint.h"

namespace s3attn {
namespace {

namespace fs = std::filesystem;

// A catalogue's state on disk; changes whenever a writer commits.
std::string catalog_stamp(const std::string& directory) {
    std::string stamp;
    for (const char* name : {"/catalog.db", "/catalog.db-wal"}) {
        std::error_code missing, ignored;
        const auto size = fs::file_size(directory + name, missing);
        if (missing || size == 0) continue;  // readers make and remove an empty log themselves
        const auto time = fs::last_write_time(directory + name, ignored);
        stamp += std::to_string(time.time_since_epoch().count()) + ":" + std::to_string(size) + ";";
    }
    return stamp;
}

}  // namespace

Result<std::shared_ptr<Snapshot>> StoreSlot::get(const std::string& directory,
                                                 const Fingerprint& engine,
                                                 const Adapter& adapter) {
    const std::string stamp = catalog_stamp(directory);
    const std::lock_guard lock(mutex_);
    if (snapshot_ && directory_ == directory && stamp_ == stamp) return snapshot_;
    snapshot_.reset();
    auto snapshot = std::make_shared<Snapshot>();
    S3ATTN_TRY(snapshot->store, StoreReader::open(directory, nullptr));
    const Fingerprint& made = snapshot->store->fingerprint();
    S3ATTN_CHECK(check_searchable(made, engine, adapter, directory));
    if (is_other_quantisation(made, engine, adapter)) {
        snapshot->note =
            "the store was made with another quantisation of the model; its scores differ a little "
            "from those of this one, and documents are added with the file that made it";
    }
    snapshot_ = std::move(snapshot);
    directory_ = directory;
    stamp_ = stamp;
    return snapshot_;
}

}  // namespace s3attn
