#include <sys/stat.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "store/bm25.h"
#include "store/catalog.h"
#include "store/documents.h"
#include "store/layout.h"
#include "store/segment_file.h"
#include "store/snapshot.h"
#include "store/vectors.h"

namespace s3attn {
namespace {

uint64_t file_bytes(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
}

// Which file it is, whatever its name; another one when a store was removed and made again.
std::pair<dev_t, ino_t> identity(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return {};
    return {info.st_dev, info.st_ino};
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
    Result<std::vector<DocumentInfo>> documents() const override { return list_documents(*db_); }
    Result<DocumentInfo> document(DocumentId doc_id) const override {
        return load_document(*db_, directory_, doc_id);
    }
    Result<UnitRow> unit(UnitId unit_id) const override;
    const std::vector<UnitExtent>& live_units() const override { return live_units_; }
    const std::vector<std::shared_ptr<const Segment>>& segments() const override {
        return segments_;
    }
    uint64_t live_tokens() const override { return live_tokens_; }
    uint64_t bytes_on_disk() const override;
    Result<std::vector<Match>> bm25(std::string_view question, uint32_t limit,
                                    const Places* only) const override {
        S3ATTN_TRY(const auto scope, scope_of(only));
        return search_words(*db_, question, limit, scope.get());
    }
    Result<std::vector<WordFrequency>> word_frequencies(std::string_view question,
                                                        const Places* only) const override {
        S3ATTN_TRY(const auto scope, scope_of(only));
        return s3attn::word_frequencies(*db_, question, scope.get());
    }
    Result<std::vector<UnitPlace>> places() const override;
    Result<std::optional<EmbedderInfo>> embedder() const override { return load_embedder(*db_); }
    Result<UnitVectors> vectors() const override { return load_vectors(*db_, live_units_); }
    void rest() override;
    Result<bool> renew() override;

  private:
    Status load_units();
    Status load_word_counts() const;
    Result<std::unique_ptr<WordScope>> scope_of(const Places* only) const;

    std::string directory_;
    std::unique_ptr<WriterLock> lock_;
    std::unique_ptr<Database> db_;
    StoreShape shape_;
    Fingerprint fingerprint_;
    std::vector<std::shared_ptr<const Segment>> segments_;
    std::vector<UnitExtent> live_units_;
    uint64_t live_tokens_ = 0;
    std::pair<dev_t, ino_t> file_;
    int64_t version_ = 0;  // changes for this connection when another one commits
    mutable std::mutex unit_mutex_;
    mutable Statement unit_;
    mutable std::mutex words_mutex_;
    mutable std::vector<uint32_t> words_;  // of live_units_, in that order; read when first needed
};

Status Reader::load() {
    file_ = identity(db_->path());
    S3ATTN_TRY(version_, db_->integer("PRAGMA data_version"));
    S3ATTN_CHECK(load_units());
    S3ATTN_TRY(unit_,
               db_->prepare("SELECT u.unit_id, u.doc_id, position_begin, n_tokens, "
                            "byte_begin, byte_end, line_begin, line_end, page, text, heading, "
                            "columns, time_begin_ms, time_end_ms "
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
        live_units_.push_back({UnitId(rows.integer(0)), TokenPosition(static_cast<uint64_t>(begin)),
                               static_cast<uint32_t>(tokens)});
        end = static_cast<uint64_t>(begin) + static_cast<uint64_t>(tokens);
        live_tokens_ += static_cast<uint64_t>(tokens);
    }
}

Result<UnitRow> Reader::unit(UnitId unit_id) const {
    const std::lock_guard guard(unit_mutex_);
    unit_.reset();
    S3ATTN_TRY(const bool found, unit_.bind(1, unit_id).step());
    if (!found) {
        return make_error(ErrorCode::kNotFound,
                          "the store '" + directory_ + "' has no unit " + to_string(unit_id));
    }
    UnitRow row;
    row.unit_id = UnitId(unit_.integer(0));
    row.doc_id = DocumentId(unit_.integer(1));
    row.position_begin = TokenPosition(static_cast<uint64_t>(unit_.integer(2)));
    row.n_tokens = static_cast<uint32_t>(unit_.integer(3));
    row.byte_begin = static_cast<uint64_t>(unit_.integer(4));
    row.byte_end = static_cast<uint64_t>(unit_.integer(5));
    row.line_begin = static_cast<uint32_t>(unit_.integer(6));
    row.line_end = static_cast<uint32_t>(unit_.integer(7));
    row.page = static_cast<uint32_t>(unit_.integer(8));
    row.text = unit_.text(9);
    row.heading = unit_.text(10);
    row.columns = unit_.text(11);
    row.time_begin_ms = static_cast<uint64_t>(unit_.integer(12));
    row.time_end_ms = static_cast<uint64_t>(unit_.integer(13));
    unit_.reset();
    return row;
}

Status Reader::load_word_counts() const {
    const std::lock_guard guard(words_mutex_);
    if (words_.size() == live_units_.size()) return {};
    std::vector<uint32_t> words(live_units_.size());
    size_t place = 0;
    S3ATTN_CHECK(read_word_counts(*db_, [&](int64_t unit_id, uint32_t count) {
        while (place < words.size() && live_units_[place].unit_id.value < unit_id) ++place;
        if (place < words.size() && live_units_[place].unit_id.value == unit_id) {
            words[place] = count;
        }
    }));
    words_ = std::move(words);
    return {};
}

// Null: all units.
Result<std::unique_ptr<WordScope>> Reader::scope_of(const Places* only) const {
    if (only == nullptr) return std::unique_ptr<WordScope>();
    S3ATTN_CHECK(load_word_counts());
    std::vector<int64_t> unit_ids;
    uint64_t words = 0;
    for (const uint32_t place : *only) {
        unit_ids.push_back(live_units_[place].unit_id.value);
        words += words_[place];
    }
    return std::make_unique<WordScope>(unit_ids, words);
}

void Reader::rest() {
    unit_.reset();
    if (db_->in_transaction()) [[maybe_unused]]
        const Status ended = db_->exec("COMMIT");  // of reading: nothing can fail that matters
}

Result<bool> Reader::renew() {
    if (db_->in_transaction()) return true;
    if (identity(db_->path()) != file_) return false;
    S3ATTN_CHECK(db_->exec("BEGIN"));
    S3ATTN_TRY([[maybe_unused]] const int64_t first, db_->integer("SELECT count(*) FROM meta"));
    S3ATTN_TRY(const int64_t version, db_->integer("PRAGMA data_version"));
    if (version != version_) rest();
    return version == version_;
}

uint64_t Reader::bytes_on_disk() const {
    const std::string catalog = directory_ + "/" + kCatalogFile;
    uint64_t bytes = file_bytes(catalog) + file_bytes(catalog + "-wal");
    for (const auto& segment : segments_) bytes += segment->bytes();
    return bytes;
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
        places.push_back({UnitId(rows.integer(0)), DocumentId(rows.integer(1)),
                          static_cast<uint64_t>(rows.integer(2)),
                          static_cast<uint64_t>(rows.integer(3))});
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
