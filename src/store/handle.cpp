// The handle of s3attn/store.h. A call for reading opens the catalogue for itself and lets go of
// it: so calls may come from many threads, and none keeps the writer's log from being cleared.
#include <algorithm>

#include "base/guarded.h"
#include "s3attn/reason.h"
#include "s3attn/store.h"
#include "store/catalog.h"
#include "store/documents.h"
#include "store/inspect.h"
#include "store/open_writer.h"
#include "store/snapshot.h"
#include "store/sources.h"
#include "store/store.h"
#include "store/verify.h"

namespace s3attn {
namespace {

Status stream_text(Database& db, DocumentId doc_id,
                   const std::function<bool(std::string_view)>& on_text) {
    S3ATTN_TRY(Statement rows,
               db.prepare("SELECT gap, text FROM units WHERE doc_id = ?1 ORDER BY unit_id"));
    rows.bind(1, doc_id);
    for (;;) {
        S3ATTN_TRY(const bool row, rows.step());
        if (!row || !on_text(rows.view(0)) || !on_text(rows.view(1))) return {};
    }
}

Status load_units(Database& db, uint64_t byte_begin, uint64_t byte_end, uint64_t max_bytes,
                  DocumentRange& range) {
    S3ATTN_TRY(
        Statement rows,
        db.prepare(
            "SELECT byte_begin, byte_end, line_begin, line_end, page, gap, text, "
            "heading, columns FROM units WHERE doc_id = ?1 AND byte_end > ?2 AND byte_begin < ?3 "
            "ORDER BY unit_id"));
    rows.bind(1, range.document.doc_id);
    rows.bind(2, static_cast<int64_t>(std::min<uint64_t>(byte_begin, INT64_MAX)));
    rows.bind(3, static_cast<int64_t>(std::min<uint64_t>(byte_end, INT64_MAX)));
    uint64_t bytes = 0;
    for (;;) {
        S3ATTN_TRY(const bool row, rows.step());
        if (!row) return {};
        bytes += rows.view(5).size() + rows.view(6).size();
        if (bytes > max_bytes && !range.units.empty()) {
            range.cut = true;
            return {};
        }
        UnitText unit;
        unit.byte_begin = static_cast<uint64_t>(rows.integer(0));
        unit.byte_end = static_cast<uint64_t>(rows.integer(1));
        unit.line_begin = static_cast<uint32_t>(rows.integer(2));
        unit.line_end = static_cast<uint32_t>(rows.integer(3));
        unit.page = static_cast<uint32_t>(rows.integer(4));
        unit.gap = rows.text(5);
        unit.text = rows.text(6);
        unit.heading = rows.text(7);
        unit.columns = rows.text(8);
        range.units.push_back(std::move(unit));
    }
}

Error not_for_writing(const std::string& directory) {
    return make_error(ErrorCode::kInvalidArgument,
                      "the store '" + directory + "' was opened for reading only");
}

// A short name was given in another folder, where it was another file's.
Error two_documents(const std::string& path, const DocumentInfo& named, const DocumentInfo& file) {
    return make_error(ErrorCode::kInvalidArgument, reason::kDocumentAmbiguous, path,
                      "'" + path + "' is the path of document " + to_string(named.doc_id) +
                          ", and the file '" + path + "' here is document " +
                          to_string(file.doc_id) + " ('" + file.path +
                          "'): name one by its number");
}

// call(), when its turn has come.
template <class Writing, class Call>
auto write_with(Writing* writing, const std::string& directory, const Call& call)
    -> decltype(call(*writing->writer)) {
    if (writing == nullptr) return not_for_writing(directory);
    return guarded([&]() -> decltype(call(*writing->writer)) {
        const std::lock_guard turn(writing->mutex);
        if (writing->writer == nullptr) {
            S3ATTN_TRY(writing->writer, open_existing_writer(directory, writing->lock));
        }
        return call(*writing->writer);
    });
}

}  // namespace

Store::Store(std::string directory, std::unique_ptr<Writing> writing)
    : directory_(std::move(directory)), writing_(std::move(writing)) {}
Store::~Store() = default;
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;

Result<Store> Store::open(const std::string& directory, Access access) {
    return guarded([&]() -> Result<Store> {
        if (access == Access::kRead) {
            S3ATTN_TRY([[maybe_unused]] const auto there, open_snapshot(directory));
            return Store(directory, nullptr);
        }
        if (directory.empty()) return check_store_directory(directory).error();
        auto writing = std::make_unique<Writing>();
        auto writer = open_existing_writer(directory, writing->lock);
        if (writer.ok()) {
            writing->writer = std::move(*writer);
        } else if (access != Access::kCreate || writer.error().code != ErrorCode::kNotFound) {
            return writer.error();
        }
        return Store(directory, std::move(writing));
    });
}

Result<HandleWriter> HandleWriter::open(Store& store, const Fingerprint& fingerprint,
                                        const StoreShape& shape, const WriterOptions& options,
                                        const CancelToken& cancel) {
    if (store.writing_ == nullptr) return not_for_writing(store.directory_);
    S3ATTN_TRY(CancellableLock turn, lock_unless(store.writing_->mutex, &cancel));
    store.writing_->writer.reset();  // what it knows of the store would be out of date afterwards
    S3ATTN_TRY(auto writer,
               open_writer(store.directory_, fingerprint, shape, options, store.writing_->lock));
    return HandleWriter(std::move(turn), std::move(writer));
}

Result<std::vector<DocumentInfo>> Store::list() const {
    return guarded([&]() -> Result<std::vector<DocumentInfo>> {
        S3ATTN_TRY(const auto snapshot, open_snapshot(directory_));
        S3ATTN_TRY(auto documents, list_documents(*snapshot.db));
        for (DocumentInfo& document : documents) document.missing = is_gone(document);
        return documents;
    });
}

Result<DocumentInfo> Store::document(DocumentId doc_id) const {
    return guarded([&]() -> Result<DocumentInfo> {
        S3ATTN_TRY(const auto snapshot, open_snapshot(directory_));
        return load_document(*snapshot.db, directory_, doc_id);
    });
}

Result<std::optional<DocumentInfo>> Store::find(const std::string& path) const {
    return guarded([&]() -> Result<std::optional<DocumentInfo>> {
        S3ATTN_TRY(const auto snapshot, open_snapshot(directory_));
        std::optional<DocumentInfo> named;
        for (const bool complete : {true, false}) {
            S3ATTN_TRY(auto row, find_document(*snapshot.db, path, complete));
            if (!named && row.has_value() && row->visible()) named = std::move(row->info);
        }
        std::optional<DocumentInfo> by_file;
        if (!named || !path.starts_with('/')) {
            S3ATTN_TRY(by_file, find_by_file(*snapshot.db, path, directory_));
        }
        if (named && by_file && named->doc_id != by_file->doc_id) {
            return two_documents(path, *named, *by_file);
        }
        if (!named && !by_file) return named;
        std::vector<DocumentInfo> found{std::move(named ? *named : *by_file)};
        S3ATTN_CHECK(load_properties(*snapshot.db, found));
        return std::optional(std::move(found.front()));
    });
}

Status Store::read_text(DocumentId doc_id,
                        const std::function<bool(std::string_view)>& on_text) const {
    return guarded([&]() -> Status {
        S3ATTN_TRY(const auto snapshot, open_snapshot(directory_));
        S3ATTN_TRY([[maybe_unused]] const auto info,
                   load_document(*snapshot.db, directory_, doc_id));
        return stream_text(*snapshot.db, doc_id, on_text);
    });
}

Result<DocumentRange> Store::read_range(DocumentId doc_id, uint64_t byte_begin, uint64_t byte_end,
                                        uint64_t max_bytes) const {
    return guarded([&]() -> Result<DocumentRange> {
        DocumentRange range;
        S3ATTN_TRY(const auto snapshot, open_snapshot(directory_));
        S3ATTN_TRY(range.document, load_document(*snapshot.db, directory_, doc_id));
        S3ATTN_CHECK(load_units(*snapshot.db, byte_begin, byte_end, max_bytes, range));
        return range;
    });
}

Result<InspectReport> Store::inspect(const InspectOptions& options) const {
    return guarded([&] { return inspect_postings(directory_, options); });
}

Result<VerifyReport> Store::verify() const {
    return guarded([&] { return verify_directory(directory_); });
}

Result<DocumentInfo> Store::remove(DocumentId doc_id) {
    return write_with(writing_.get(), directory_,
                      [&](StoreWriter& writer) { return writer.remove_document(doc_id); });
}

Status Store::drop_interrupted(const std::string& path) {
    return write_with(writing_.get(), directory_,
                      [&](StoreWriter& writer) { return writer.drop_interrupted(path); });
}

Result<std::vector<DocumentInfo>> Store::remove(const std::vector<DocumentId>& doc_ids) {
    return guarded([&]() -> Result<std::vector<DocumentInfo>> {
        std::vector<DocumentInfo> removed;
        for (const DocumentId doc_id : doc_ids) {
            auto one = remove(doc_id);
            if (one.ok()) {
                removed.push_back(std::move(*one));
            } else if (one.error().code != ErrorCode::kNotFound) {
                return one.error();
            }
        }
        return removed;
    });
}

Result<std::vector<DocumentInfo>> Store::prune(const std::vector<std::string>& places) {
    return guarded([&]() -> Result<std::vector<DocumentInfo>> {
        S3ATTN_TRY(const auto documents, list());
        std::vector<DocumentId> gone;
        for (const DocumentInfo& document : gone_documents(documents, places, directory_)) {
            gone.push_back(document.doc_id);
        }
        return remove(gone);
    });
}

}  // namespace s3attn
