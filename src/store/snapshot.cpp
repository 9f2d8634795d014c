#include "store/snapshot.h"

#include <sys/stat.h>
#include <unistd.h>

#include "s3attn/reason.h"
#include "store/layout.h"
#include "store/upgrade.h"

namespace s3attn {
namespace {

constexpr int kOpenAttempts = 20;

uint64_t file_bytes(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
}

Status load(const std::string& directory, const Fingerprint* expected, StoreSnapshot& snapshot,
            std::string& missing_file) {
    Database& db = *snapshot.catalog.db;
    S3ATTN_TRY(snapshot.shape, load_shape(db));
    S3ATTN_TRY(snapshot.fingerprint, load_fingerprint(db));
    if (expected != nullptr) {
        S3ATTN_CHECK(check_fingerprint(directory, snapshot.fingerprint, *expected));
    }
    S3ATTN_TRY(snapshot.rows, load_segments(db));
    for (const SegmentRow& row : snapshot.rows) {
        auto segment = open_named_segment(directory, row, snapshot.shape);
        if (!segment.ok()) {
            if (segment.error().code == ErrorCode::kNotFound) missing_file = row.file;
            return segment.error();
        }
        snapshot.segments.push_back(std::move(*segment));
    }
    return {};
}

}  // namespace

Result<CatalogSnapshot> open_snapshot(const std::string& directory) {
    CatalogSnapshot snapshot;
    // Read-write where that is possible, so that the last one to leave can clear the log; nothing
    // is ever written through this connection.
    auto db = open_catalog(directory, Database::Mode::kReadWrite);
    if (!db.ok() && db.error().code == ErrorCode::kIo && ::access(directory.c_str(), W_OK) != 0 &&
        ::access((directory + "/" + kCatalogFile).c_str(), R_OK) == 0) {
        if (file_bytes(directory + "/" + kCatalogFile + "-wal") != 0) {
            return make_error(ErrorCode::kIo, reason::kStoreReadOnly, directory,
                              "the store '" + directory +
                                  "' cannot be written and was not closed properly; verify it "
                                  "once where it can be written");
        }
        S3ATTN_TRY(snapshot.lock, WriterLock::shared(directory));
        db = open_catalog(directory, Database::Mode::kImmutable);
    }
    if (!db.ok()) return db.error();
    S3ATTN_TRY(const bool current, is_current(**db));
    if (!current) {
        S3ATTN_TRY(const bool upgraded, upgrade_store(directory, **db));
        if (upgraded) return open_snapshot(directory);
    }
    snapshot.db = std::move(*db);
    S3ATTN_CHECK(snapshot.db->exec("PRAGMA query_only = ON; BEGIN"));
    // The transaction's snapshot is taken by its first read.
    S3ATTN_TRY([[maybe_unused]] const int64_t first,
               snapshot.db->integer("SELECT count(*) FROM meta"));
    return snapshot;
}

Result<StoreSnapshot> open_store_snapshot(const std::string& directory,
                                          const Fingerprint* expected) {
    std::string missing_before;
    for (int attempt = 0;; ++attempt) {
        StoreSnapshot snapshot;
        S3ATTN_TRY(snapshot.catalog, open_snapshot(directory));
        std::string missing;
        const Status status = load(directory, expected, snapshot, missing);
        if (status.ok()) return snapshot;
        if (missing.empty()) return status.error();
        // A writer may have joined segments between our snapshot and our open; then the next
        // snapshot names others.
        if (missing == missing_before) {
            return make_error(
                ErrorCode::kCorrupt,
                "the store '" + directory + "' lacks its file '" + missing + "'; index again");
        }
        if (attempt == kOpenAttempts) {
            return make_error(
                ErrorCode::kBusy, reason::kStoreBusy, directory,
                "the store '" + directory + "' changes faster than it can be opened; try again");
        }
        missing_before = missing;
    }
}

}  // namespace s3attn
