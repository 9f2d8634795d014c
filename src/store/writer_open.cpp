#include <filesystem>
#include <system_error>

#include "base/files.h"
#include "s3attn/reason.h"
#include "store/catalog.h"
#include "store/open_writer.h"
#include "store/upgrade.h"
#include "store/writer.h"

namespace s3attn {
namespace {

// Two segments are written at a time at most, the run and a merge; each holds two blocks of
// postings for every slot.
Status check_memory(const StoreShape& shape, const WriterOptions& options) {
    constexpr uint64_t kMiB = 1 << 20;
    const uint64_t blocks = 4 * sizeof(Posting) * kBlockTokens * shape.n_slots * shape.k;
    const uint64_t need = blocks + blocks / 3;  // room for the rest
    if (need <= options.memory_bytes) return {};
    return make_error(ErrorCode::kInvalidArgument, reason::kMemorySmall, "memory",
                      "building an index of " + std::to_string(shape.n_slots) +
                          " head slots with k = " + std::to_string(shape.k) + " needs " +
                          std::to_string(need / kMiB + 1) + " MiB of memory and " +
                          std::to_string(options.memory_bytes / kMiB) + " are allowed");
}

Result<std::unique_ptr<StoreWriter>> open_locked(const std::string& directory,
                                                 const Fingerprint* fingerprint,
                                                 const StoreShape* shape,
                                                 const WriterOptions& options,
                                                 std::shared_ptr<WriterLock>& lock) {
    std::shared_ptr<WriterLock> held = lock;
    if (held == nullptr) {
        S3ATTN_TRY(held, WriterLock::exclusive(directory));
    }
    if (const Status made = check_store_directory(directory); !made.ok()) {
        if (made.error().code != ErrorCode::kNotFound || fingerprint == nullptr) {
            return made.error();
        }
        S3ATTN_CHECK(create_catalog(directory, *fingerprint, *shape));
    }
    S3ATTN_TRY(auto db, open_catalog(directory, Database::Mode::kReadWrite));
    S3ATTN_CHECK(upgrade_catalog(*db));
    S3ATTN_TRY(const StoreShape stored_shape, load_shape(*db));
    if (fingerprint != nullptr) {
        S3ATTN_TRY(const Fingerprint stored, load_fingerprint(*db));
        S3ATTN_CHECK(check_fingerprint(directory, stored, *fingerprint));
        S3ATTN_CHECK(check_shape_equal(directory, stored_shape, *shape));
    }
    auto writer = std::make_unique<Writer>(directory, stored_shape, options, held, std::move(db));
    S3ATTN_CHECK(writer->start());
    lock = std::move(held);
    return std::unique_ptr<StoreWriter>(std::move(writer));
}

}  // namespace

Result<std::unique_ptr<StoreWriter>> open_writer(const std::string& directory,
                                                 const Fingerprint& fingerprint,
                                                 const StoreShape& shape,
                                                 const WriterOptions& options,
                                                 std::shared_ptr<WriterLock>& lock) {
    S3ATTN_CHECK(check_shape(shape));
    S3ATTN_CHECK(check_memory(shape, options));
    if (const Status status = check_store_directory(directory); !status.ok()) {
        // kNotFound: nothing there, or an empty directory. Anything else is somebody's.
        if (status.error().code != ErrorCode::kNotFound || directory.empty()) {
            return status.error();
        }
        std::error_code error;
        std::filesystem::create_directories(directory, error);
        if (error) {
            return make_error(ErrorCode::kIo,
                              "cannot make '" + directory + "': " + error.message());
        }
        const auto parent = std::filesystem::absolute(directory, error).parent_path();
        S3ATTN_CHECK(sync_directory(parent.string()));
    }
    return open_locked(directory, &fingerprint, &shape, options, lock);
}

Result<std::unique_ptr<StoreWriter>> StoreWriter::open(const std::string& directory,
                                                       const Fingerprint& fingerprint,
                                                       const StoreShape& shape,
                                                       const WriterOptions& options) {
    std::shared_ptr<WriterLock> lock;
    return open_writer(directory, fingerprint, shape, options, lock);
}

Result<std::unique_ptr<StoreWriter>> open_existing_writer(const std::string& directory,
                                                          std::shared_ptr<WriterLock>& lock) {
    S3ATTN_CHECK(check_store_directory(directory));
    return open_locked(directory, nullptr, nullptr, WriterOptions(), lock);
}

Result<std::unique_ptr<StoreWriter>> open_existing_writer(const std::string& directory) {
    std::shared_ptr<WriterLock> lock;
    return open_existing_writer(directory, lock);
}

}  // namespace s3attn
