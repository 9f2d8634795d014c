#include <sys/stat.h>

#include <algorithm>
#include <mutex>

#include "store/bm25.h"
#include "store/catalog.h"
#include "store/layout.h"
#include "store/segment_file.h"
#include "store/snapshot.h"

namespace s3attn {
namespace {

uint64_t file_bytes(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
}

class Reader final : public StoreReader {
  public:
    Reader(std::string directory, StoreSnapshot snapshot)
        : directory_(std::move(directory)),
          lock_(std::move(snapshot.catalog.lock)),
          db_(std::move(snapshot.catalog.db)),
          shape_(snapshot.shape),
          fingerprint_(std::move(snapshot.fingerprint)),
          segments_(snapshot.segments.begin(), snapshot.segments.end()) {}

    Status load();

    const StoreShape& shape() const override { return shape_; }
    const Fingerprint& fingerprint() const override { return fingerprint_; }
    Result<std::vector<DocumentInfo>> documents() const override;
    Result<DocumentInfo> document(int64_t doc_id) const override;
    Result<UnitRow> unit(int64_t unit_id) const override;
    const std::vector<UnitExtent>& live_units() const override { return live_units_; }
    const std::vector<std::shared_ptr<const Segment>>& segments() const override {
        return segments_;
    }
    uint64_t live_tokens() const override { return live_tokens_; }
    uint64_t bytes_on_disk() const override;
    Result<std::vector<Match>> bm25(std::string_view question, uint32_t limit) const override {
        return search_words(*db_, question, limit);
    }
    Result<std::vector<WordFrequency>> word_frequencies(std::string_view question) const override {
        return s3attn::word_frequencies(*db_, question);
    }
    Status read_text(int64_t doc_id,
                     const std::function<bool(std::string_view)>& on_text) const override;
    Result<std::vector<UnitPlace>> places() const override;
    Result<DocumentRange> read_range(int64_t doc_id, uint64_t byte_begin, uint64_t byte_end,
                                     uint64_t max_bytes) const override;

  private:
    Status load_units();

    std::string directory_;
    std::unique_ptr<WriterLock> lock_;
    std::unique_ptr<Database> db_;
    StoreShape shape_;
    Fingerprint fingerprint_;
    std::vector<std::shared_ptr<const Segment>> segments_;
    std::vector<UnitExtent> live_units_;
    uint64_t live_tokens_ = 0;
    mutable std::mutex unit_mutex_;
    mutable Statement unit_;
};

Status Reader::load() {
    S3ATTN_CHECK(load_units());
    S3ATTN_TRY(unit_, db_->prepare("SELECT u.unit_id, u.doc_id, position_begin, n_tokens, "
                                   "byte_begin, byte_end, line_begin, line_end, page, text "
                                   "FROM units u WHERE u.unit_id = ?1"));
    return {};
}

Status Reader::load_units() {
    S3ATTN_TRY(Statement rows,
               db_->prepare(std::string("SELECT u.unit_id, u.position_begin, u.n_tokens FROM "
                                        "units u JOIN documents d ON d.doc_id = u.doc_id WHERE ") +
                            kVisible + " ORDER BY u.unit_id"));
    uint64_t end = 0;
    for (;;) {
        S3ATTN_TRY(const bool row, rows.step());
        if (!row) return {};
        const int64_t begin = rows.integer(1), tokens = rows.integer(2);
        if (begin < 0 || tokens < 0 || tokens > UINT32_MAX || static_cast<uint64_t>(begin) < end) {
            return make_error(ErrorCode::kCorrupt, "'" + db_->path() + "': the positions of unit " +
                                                       std::to_string(rows.integer(0)) +
                                                       " are impossible");
        }
        live_units_.push_back(
            {rows.integer(0), static_cast<uint64_t>(begin), static_cast<uint32_t>(tokens)});
        end = static_cast<uint64_t>(begin) + static_cast<uint64_t>(tokens);
        live_tokens_ += static_cast<uint64_t>(tokens);
    }
}

Result<std::vector<DocumentInfo>> Reader::documents() const {
    S3ATTN_TRY(Statement rows,
               db_->prepare(std::string("SELECT ") + kDocumentColumns + " FROM documents d WHERE " +
                            kVisible + " ORDER BY doc_id"));
    std::vector<DocumentInfo> documents;
    for (;;) {
        S3ATTN_TRY(const bool row, rows.step());
        if (!row) return documents;
        documents.push_back(document_of(rows));
    }
}

Result<DocumentInfo> Reader::document(int64_t doc_id) const {
    S3ATTN_TRY(Statement rows, db_->prepare(std::string("SELECT ") + kDocumentColumns +
                                            " FROM documents d WHERE doc_id = ?1 AND " + kVisible));
    S3ATTN_TRY(const bool found, rows.bind(1, doc_id).step());
    if (!found) {
        return make_error(ErrorCode::kNotFound, "the store '" + directory_ + "' has no document " +
                                                    std::to_string(doc_id) +
                                                    "; s3attn list shows what it has");
    }
    return document_of(rows);
}

Result<UnitRow> Reader::unit(int64_t unit_id) const {
    const std::lock_guard guard(unit_mutex_);
    unit_.reset();
    S3ATTN_TRY(const bool found, unit_.bind(1, unit_id).step());
    if (!found) {
        return make_error(ErrorCode::kNotFound,
                          "the store '" + directory_ + "' has no unit " + std::to_string(unit_id));
    }
    UnitRow row;
    row.unit_id = unit_.integer(0);
    row.doc_id = unit_.integer(1);
    row.position_begin = static_cast<uint64_t>(unit_.integer(2));
    row.n_tokens = static_cast<uint32_t>(unit_.integer(3));
    row.byte_begin = static_cast<uint64_t>(unit_.integer(4));
    row.byte_end = static_cast<uint64_t>(unit_.integer(5));
    row.line_begin = static_cast<uint32_t>(unit_.integer(6));
    row.line_end = static_cast<uint32_t>(unit_.integer(7));
    row.page = static_cast<uint32_t>(unit_.integer(8));
    row.text = unit_.text(9);
    unit_.reset();
    return row;
}

uint64_t Reader::bytes_on_disk() const {
    const std::string catalog = directory_ + "/" + kCatalogFile;
    uint64_t bytes = file_bytes(catalog) + file_bytes(catalog + "-wal");
    for (const auto& segment : segments_) bytes += segment->bytes();
    return bytes;
}

Status Reader::read_text(int64_t doc_id,
                         const std::function<bool(std::string_view)>& on_text) const {
    S3ATTN_TRY([[maybe_unused]] const DocumentInfo info, document(doc_id));
    S3ATTN_TRY(Statement rows,
               db_->prepare("SELECT gap, text FROM units WHERE doc_id = ?1 ORDER BY unit_id"));
    rows.bind(1, doc_id);
    for (;;) {
        S3ATTN_TRY(const bool row, rows.step());
        if (!row || !on_text(rows.view(0)) || !on_text(rows.view(1))) return {};
    }
}

Result<std::vector<UnitPlace>> Reader::places() const {
    S3ATTN_TRY(Statement rows,
               db_->prepare(std::string("SELECT u.unit_id, u.doc_id, u.byte_begin, u.byte_end FROM "
                                        "units u JOIN documents d ON d.doc_id = u.doc_id WHERE ") +
                            kVisible + " ORDER BY u.unit_id"));
    std::vector<UnitPlace> places;
    for (;;) {
        S3ATTN_TRY(const bool row, rows.step());
        if (!row) return places;
        places.push_back({rows.integer(0), rows.integer(1), static_cast<uint64_t>(rows.integer(2)),
                          static_cast<uint64_t>(rows.integer(3))});
    }
}

Result<DocumentRange> Reader::read_range(int64_t doc_id, uint64_t byte_begin, uint64_t byte_end,
                                         uint64_t max_bytes) const {
    DocumentRange range;
    S3ATTN_TRY(range.document, document(doc_id));
    S3ATTN_TRY(Statement rows,
               db_->prepare("SELECT byte_begin, byte_end, line_begin, line_end, page, gap, text "
                            "FROM units WHERE doc_id = ?1 AND byte_end > ?2 AND byte_begin < ?3 "
                            "ORDER BY unit_id"));
    rows.bind(1, doc_id);
    rows.bind(2, static_cast<int64_t>(std::min<uint64_t>(byte_begin, INT64_MAX)));
    rows.bind(3, static_cast<int64_t>(std::min<uint64_t>(byte_end, INT64_MAX)));
    uint64_t bytes = 0;
    for (;;) {
        S3ATTN_TRY(const bool row, rows.step());
        if (!row) return range;
        bytes += rows.view(5).size() + rows.view(6).size();
        if (bytes > max_bytes && !range.units.empty()) {
            range.cut = true;
            return range;
        }
        UnitText unit;
        unit.byte_begin = static_cast<uint64_t>(rows.integer(0));
        unit.byte_end = static_cast<uint64_t>(rows.integer(1));
        unit.line_begin = static_cast<uint32_t>(rows.integer(2));
        unit.line_end = static_cast<uint32_t>(rows.integer(3));
        unit.page = static_cast<uint32_t>(rows.integer(4));
        unit.gap = rows.text(5);
        unit.text = rows.text(6);
        range.units.push_back(std::move(unit));
    }
}

}  // namespace

Result<std::unique_ptr<StoreReader>> StoreReader::open(const std::string& directory,
                                                       const Fingerprint* expected) {
    S3ATTN_TRY(StoreSnapshot snapshot, open_store_snapshot(directory, expected));
    auto reader = std::make_unique<Reader>(directory, std::move(snapshot));
    S3ATTN_CHECK(reader->load());
    return std::unique_ptr<StoreReader>(std::move(reader));
}

}  // namespace s3attn
