// Export and import: a store as one file (docs/formats/export.md).
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <set>

#include "base/files.h"
#include "base/guarded.h"
#include "base/owned_file.h"
#include "s3attn/reason.h"
#include "s3attn/store.h"
#include "store/archive.h"
#include "store/layout.h"
#include "store/manifest.h"
#include "store/output_file.h"
#include "store/snapshot.h"
#include "store/staging.h"
#include "store/upgrade.h"
#include "store/verify.h"

namespace s3attn {
namespace {

constexpr uint64_t kMostManifestBytes = 64u << 20;

// The snapshot's catalogue as a file of its own, without a log.
Status copy_catalog(Database& db, const std::string& path) {
    S3ATTN_TRY(const auto copy, Database::open(path, Database::Mode::kCreate));
    S3ATTN_CHECK(copy->exec("PRAGMA synchronous = OFF"));  // read back before it is published
    sqlite3_backup* backup = sqlite3_backup_init(copy->handle(), "main", db.handle(), "main");
    if (backup == nullptr) return sqlite_error(copy->handle(), path);
    const int rc = sqlite3_backup_step(backup, -1);
    sqlite3_backup_finish(backup);
    if (rc != SQLITE_DONE) {
        return make_error(ErrorCode::kIo, "cannot copy '" + db.path() + "' to '" + path +
                                              "': " + sqlite3_errstr(rc));
    }
    return {};
}

ManifestFile describe(const std::string& name, const MappedFile& file) {
    const auto bytes = file.bytes();
    return {name, bytes.size(),
            hash_bytes({reinterpret_cast<const char*>(bytes.data()), bytes.size()})};
}

Status check_new_file(const std::string& file) {
    std::error_code error;
    if (file.empty() || file.ends_with('/')) {
        return make_error(ErrorCode::kInvalidArgument, "'" + file + "' is not a file's name");
    }
    const auto status = std::filesystem::symlink_status(file, error);
    if (status.type() == std::filesystem::file_type::not_found) return {};
    return make_error(ErrorCode::kInvalidArgument, reason::kExists, file,
                      "'" + file + "' exists already; remove it or choose another name");
}

Status import_entry(ArchiveReader& archive, size_t index, const ManifestFile& expected,
                    const std::string& directory) {
    if (archive.entries()[index].bytes != expected.bytes) {
        return archive.corrupt(expected.name, "its length is not that of the manifest");
    }
    const std::string path = directory + "/" + expected.name;
    {
        S3ATTN_TRY(const auto file, OutputFile::create(path));
        S3ATTN_CHECK(
            archive.read(index, [&](std::string_view block) { return file->write(block); }));
        S3ATTN_CHECK(file->finish());
    }
    S3ATTN_TRY(const std::string hash, hash_file(path));
    if (hash != expected.hash) {
        return archive.corrupt(expected.name, "it does not match its checksum");
    }
    return {};
}

Result<std::vector<ManifestFile>> load_manifest(ArchiveReader& archive) {
    const auto& entries = archive.entries();
    if (entries.empty() || entries[0].name != kManifestName) {
        return archive.corrupt(kManifestName, "it is missing: this is no export of a store");
    }
    if (entries[0].bytes > kMostManifestBytes) return archive.corrupt(kManifestName, "too large");
    std::string text;
    S3ATTN_CHECK(archive.read(0, [&](std::string_view block) -> Status {
        text += block;
        return {};
    }));
    auto files = read_manifest(text);
    if (!files.ok()) {
        Error error = archive.corrupt(kManifestName, files.error().message);
        error.code = files.error().code;
        return error;
    }
    if (files->size() + 1 != entries.size()) {
        return archive.corrupt(kManifestName,
                               "it does not name exactly the entries that are there");
    }
    return files;
}

// verify_directory() has found every segment that the catalogue names; there must be no others.
Status check_no_more(const std::string& directory, const std::vector<ManifestFile>& files,
                     const ArchiveReader& archive) {
    S3ATTN_TRY(const auto db, open_catalog(directory, Database::Mode::kReadWrite));
    S3ATTN_TRY(const auto rows, load_segments(*db));
    std::set<std::string> named;
    for (const SegmentRow& row : rows) named.insert(row.file);
    for (size_t i = 1; i < files.size(); ++i) {
        if (!named.contains(files[i].name)) {
            return archive.corrupt(files[i].name, "the catalogue does not name it");
        }
    }
    return {};
}

// Messages about the staged store name the file it came from instead.
Error about_file(Error error, const std::string& staged, const std::string& file) {
    const std::string name = file + ":";
    for (size_t at = error.message.find(staged); at != std::string::npos;) {
        error.message.replace(at, staged.size(), name);
        at = error.message.find(staged, at + name.size());
    }
    return error;
}

// A file of an older program: the import holds the store's lock, so nobody else can.
Status bring_up_to_date(const std::string& directory) {
    S3ATTN_TRY(const auto db, open_catalog(directory, Database::Mode::kReadWrite));
    return upgrade_catalog(*db);
}

Result<ExportReport> export_store(const std::string& store, const std::string& file) {
    S3ATTN_CHECK(check_new_file(file));
    S3ATTN_TRY(const StoreSnapshot snapshot, open_store_snapshot(store, nullptr));
    S3ATTN_TRY(const OwnedFile catalog, OwnedFile::create_unique(file + ".tmp."));
    S3ATTN_TRY(const OwnedFile partial, OwnedFile::create_unique(file + ".tmp."));
    S3ATTN_CHECK(copy_catalog(*snapshot.catalog.db, catalog.path()));
    std::vector<std::pair<std::string, std::shared_ptr<MappedFile>>> contents;
    S3ATTN_TRY(auto catalog_bytes, MappedFile::open(catalog.path()));
    contents.emplace_back(kCatalogFile, std::move(catalog_bytes));
    for (const auto& segment : snapshot.segments) {
        S3ATTN_CHECK(segment->verify());  // damage must not travel under a fresh checksum
        contents.emplace_back(std::filesystem::path(segment->path()).filename().string(),
                              segment->file());
    }
    std::sort(contents.begin() + 1, contents.end());
    std::vector<ManifestFile> files;
    for (const auto& [name, content] : contents) files.push_back(describe(name, *content));
    const std::string manifest = write_manifest(files);

    S3ATTN_TRY(const auto archive, ArchiveWriter::create(partial.path()));
    S3ATTN_CHECK(archive->add(kManifestName, std::as_bytes(std::span(manifest))));
    for (const auto& [name, content] : contents) S3ATTN_CHECK(archive->add(name, content->bytes()));
    S3ATTN_CHECK(archive->finish());
    S3ATTN_CHECK(rename_to_new(partial.path(), file));
    ExportReport report;
    report.segments = snapshot.segments.size();
    std::error_code ignored;
    report.bytes = std::filesystem::file_size(file, ignored);
    S3ATTN_TRY(report.documents, snapshot.catalog.db->integer("SELECT count(*) FROM documents"));
    S3ATTN_TRY(report.units, snapshot.catalog.db->integer("SELECT count(*) FROM units"));
    return report;
}

Result<VerifyReport> import_store(const std::string& file, const std::string& store) {
    S3ATTN_TRY(const auto archive, ArchiveReader::open(file));
    S3ATTN_TRY(const auto files, load_manifest(*archive));
    S3ATTN_TRY(const auto staging, StagingDirectory::create(store));
    for (size_t i = 0; i < files.size(); ++i) {
        if (archive->entries()[i + 1].name != files[i].name) {
            return archive->corrupt(archive->entries()[i + 1].name,
                                    "the manifest has '" + files[i].name + "' in its place");
        }
        S3ATTN_CHECK(import_entry(*archive, i + 1, files[i], staging->path()));
    }
    if (const Status status = bring_up_to_date(staging->path()); !status.ok()) {
        return about_file(status.error(), staging->path(), file);
    }
    // Right bytes may still be a wrong store: whoever wrote them also wrote the checksums.
    auto report = verify_directory(staging->path());
    if (!report.ok()) return about_file(report.error(), staging->path(), file);
    S3ATTN_CHECK(check_no_more(staging->path(), files, *archive));
    S3ATTN_CHECK(sync_file(staging->path() + "/" + kCatalogFile));
    S3ATTN_CHECK(staging->publish());
    return report;
}

}  // namespace

Result<ExportReport> Store::export_to(const std::string& file) const {
    return guarded([&] { return export_store(directory_, file); });
}

Result<VerifyReport> Store::import_from(const std::string& file, const std::string& directory) {
    return guarded([&] { return import_store(file, directory); });
}

}  // namespace s3attn
