#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "base/files.h"
#include "store/catalog.h"
#include "store/catalog_checks.h"
#include "store/compact.h"
#include "store/documents.h"
#include "store/layout.h"
#include "store/merger.h"
#include "store/open_writer.h"
#include "store/segment_writer.h"
#include "store/writer_lock.h"

namespace s3attn {
namespace {

// Of the memory allowed: SQLite's pages, and mapped pages of segments that are being joined.
constexpr uint64_t kCacheShare = 64, kWindowShare = 16;

Error joining_failed(const Error& error) {
    return make_error(error.code,
                      "everything is committed, but joining segments failed: " + error.message);
}

class Writer final : public StoreWriter {
  public:
    Writer(std::string directory, const StoreShape& shape, const WriterOptions& options,
           std::unique_ptr<WriterLock> lock, std::unique_ptr<Database> db)
        : directory_(std::move(directory)),
          shape_(shape),
          options_(options),
          lock_(std::move(lock)),
          db_(std::move(db)),
          merger_(directory_, shape, options.memory_bytes / kWindowShare) {}
    ~Writer() override;

    Status start();
    Status place_next(int64_t list, uint64_t length, uint64_t ordinal) override;
    Result<Begin> begin_document(const DocumentHeader& header) override;
    Status add_unit(const Unit& unit, uint32_t n_tokens) override;
    Status add_codes(const CodeBatch& codes) override;
    Status end_document() override;
    Status commit() override;
    Status settle() override;
    uint64_t pending_tokens() const override { return pending_units_; }
    Result<DocumentInfo> remove_document(const std::string& path_or_id) override;

  private:
    struct Current {
        int64_t doc_id = 0;
        uint64_t tokens = 0, units = 0, byte_end = 0;
        bool visible = true;
    };

    Status remove_orphans();
    Status begin_transaction();
    Status store_counts();
    Status resume(const DocumentRow& row);
    Result<Begin> begin(const DocumentHeader& header);
    Result<int64_t> list_base(int64_t list, uint64_t length);
    Result<std::optional<int64_t>> if_free(std::optional<int64_t> place);
    Status insert_unit(const Unit& unit, uint32_t n_tokens);
    Status check_unit(const Unit& unit, uint32_t n_tokens) const;
    Status write_codes(const CodeBatch& codes);
    Status commit_transaction(const std::optional<MergeResult>& merged);
    Result<std::optional<MergeResult>> take_merged();
    Status start_merge();
    Status plan_merge_job();
    // After an error in the middle of a change nothing of the change may stay: gives up what is
    // not committed; every later call returns the same error.
    template <class T>
    Result<T> fail(Result<T> result);
    Status usable() const { return failed_.has_value() ? Status(*failed_) : Status(); }

    std::string directory_;
    StoreShape shape_;
    WriterOptions options_;
    std::unique_ptr<WriterLock> lock_;  // released last
    std::unique_ptr<Database> db_;
    Statement insert_unit_, insert_words_;
    std::unique_ptr<SegmentWriter> segment_;  // codes since the last commit
    int64_t segment_id_ = 0;                  // of segment_
    int64_t next_segment_ = 1;                // given out to segment_ and to merges
    uint64_t next_position_ = 0;              // of the next unit
    uint64_t pending_units_ = 0;              // tokens of units since the last commit
    uint64_t pending_codes_ = 0;              // tokens of codes since the last commit
    std::optional<Current> current_;
    std::optional<int64_t> place_;  // doc_id for the next new document
    bool removed_ = false;  // positions died and no segment was looked at since
    std::optional<Error> failed_;
    BackgroundMerger merger_;  // its thread ends before anything else goes
};

template <class T>
Result<T> Writer::fail(Result<T> result) {
    if (result.ok()) return result;
    Error error = result.error();
    failed_ = make_error(error.code,
                         error.message + " (the store keeps what was committed; open it again)");
    merger_.abandon();
    insert_unit_.reset();
    insert_words_.reset();
    segment_.reset();
    current_.reset();
    if (db_->in_transaction()) [[maybe_unused]]
        const Status ignored = db_->exec("ROLLBACK");
    return *failed_;
}

Writer::~Writer() {
    if (failed_.has_value() || db_->in_transaction()) return;
    [[maybe_unused]] const Status ignored = settle();
}

// Brings the directory to the state the catalogue describes.
Status Writer::start() {
    // FULL: a commit is on the disk when it returns (in WAL mode NORMAL would sync later).
    S3ATTN_CHECK(db_->exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL"));
    const std::string cache_kib = std::to_string(options_.memory_bytes / kCacheShare / 1024);
    S3ATTN_CHECK(db_->exec(("PRAGMA cache_size = -" + cache_kib).c_str()));
    S3ATTN_TRY(const int64_t position, load_meta(*db_, "next_position"));
    S3ATTN_TRY(next_segment_, load_meta(*db_, "next_segment"));
    if (position < 0 || next_segment_ < 1) {
        return make_error(ErrorCode::kCorrupt, "'" + db_->path() + "': meta is out of range");
    }
    next_position_ = static_cast<uint64_t>(position);
    S3ATTN_CHECK(remove_orphans());
    S3ATTN_TRY(insert_unit_,
               db_->prepare("INSERT INTO units(doc_id, position_begin, n_tokens, byte_begin, "
                            "byte_end, line_begin, line_end, page, gap, text) "
                            "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"));
    S3ATTN_TRY(insert_words_, db_->prepare("INSERT INTO units_fts(rowid, text) VALUES (?1, ?2)"));
    return {};
}

Status Writer::remove_orphans() {
    S3ATTN_TRY(const auto orphans, find_orphans(directory_, *db_));
    if (std::any_of(orphans.begin(), orphans.end(), is_segment_file_name)) {
        // Before a whole segment goes: has a damaged catalogue lost its row?
        S3ATTN_CHECK(check_database(*db_));
        S3ATTN_TRY(const auto segments, load_segments(*db_));
        S3ATTN_CHECK(check_positions(*db_, segments));
    }
    for (const std::string& name : orphans) {
        const std::string path = directory_ + "/" + name;
        if (::unlink(path.c_str()) != 0) return errno_error("cannot remove", path);
    }
    return {};
}

Status Writer::begin_transaction() {
    return db_->in_transaction() ? Status() : db_->exec("BEGIN IMMEDIATE");
}

Status Writer::store_counts() {
    if (!current_.has_value()) return {};
    return update_counts(*db_, current_->doc_id, current_->tokens, current_->units);
}

Status Writer::place_next(int64_t list, uint64_t length, uint64_t ordinal) {
    S3ATTN_CHECK(usable());
    constexpr auto kMost = uint64_t{1} << 40;
    if (length > kMost || ordinal >= length) {
        return make_error(ErrorCode::kInvalidArgument, "a document has no such place in its list");
    }
    S3ATTN_TRY(const int64_t base, fail(list_base(list, length)));
    place_ = base + static_cast<int64_t>(ordinal) + 1;
    return {};
}

// The id before those of the list: what it was when the list was begun, also after a crash.
Result<int64_t> Writer::list_base(int64_t list, uint64_t length) {
    S3ATTN_TRY(const auto last_list, find_meta(*db_, "shard_list"));
    S3ATTN_TRY(const auto last_base, find_meta(*db_, "shard_base"));
    if (last_list == list && last_base.has_value()) return *last_base;
    S3ATTN_CHECK(begin_transaction());
    S3ATTN_TRY(const int64_t base, last_document_id(*db_));
    S3ATTN_CHECK(reserve_document_ids(*db_, base + static_cast<int64_t>(length)));
    S3ATTN_CHECK(save_meta(*db_, "shard_list", list));
    S3ATTN_CHECK(save_meta(*db_, "shard_base", base));
    return base;
}

// None when the place is taken: a changed document comes after everything there is.
Result<std::optional<int64_t>> Writer::if_free(std::optional<int64_t> place) {
    if (!place.has_value()) return place;
    S3ATTN_TRY(const auto there, find_document(*db_, *place));
    return there.has_value() ? std::nullopt : place;
}

Result<StoreWriter::Begin> Writer::begin_document(const DocumentHeader& header) {
    S3ATTN_CHECK(usable());
    if (header.path.empty()) {
        return make_error(ErrorCode::kInvalidArgument, "a document needs a path");
    }
    return fail(begin(header));
}

Status Writer::resume(const DocumentRow& row) {
    Current current;
    current.doc_id = row.info.doc_id;
    current.tokens = row.info.tokens;
    current.units = row.info.units;
    current.visible = row.visible();
    S3ATTN_TRY(Statement last, db_->prepare("SELECT byte_end FROM units WHERE doc_id = ?1 "
                                            "ORDER BY unit_id DESC LIMIT 1"));
    S3ATTN_TRY(const bool found, last.bind(1, current.doc_id).step());
    if (found) current.byte_end = static_cast<uint64_t>(last.integer(0));
    current_ = current;
    return {};
}

Result<StoreWriter::Begin> Writer::begin(const DocumentHeader& header) {
    auto place = std::exchange(place_, std::nullopt);
    // Looking alone opens no transaction: an unchanged document leaves nothing to commit.
    if (db_->in_transaction()) S3ATTN_CHECK(store_counts());
    current_.reset();
    S3ATTN_TRY(const auto whole, find_document(*db_, header.path, true));
    S3ATTN_TRY(const auto part, find_document(*db_, header.path, false));
    const bool unchanged = whole.has_value() && whole->info.source_hash == header.source_hash;
    if (part.has_value()) {
        const DocumentInfo& info = part->info;
        const bool same = info.source_hash == header.source_hash && info.format == header.format &&
                          info.encoding == header.encoding && info.offsets == header.offsets;
        if (same && !unchanged) {
            S3ATTN_CHECK(resume(*part));
            return Begin{Begin::Kind::kResumes, info.doc_id, info.units, info.tokens};
        }
        S3ATTN_CHECK(begin_transaction());
        S3ATTN_CHECK(drop_document(*db_, *part));  // the file changed since
        removed_ = true;
    }
    if (unchanged) {
        return Begin{Begin::Kind::kUnchanged, whole->info.doc_id, whole->info.units,
                     whole->info.tokens};
    }
    std::optional<int64_t> replaces;
    if (whole.has_value()) replaces = whole->info.doc_id;
    S3ATTN_CHECK(begin_transaction());
    S3ATTN_TRY(place, if_free(place));
    S3ATTN_TRY(const int64_t doc_id, insert_document(*db_, header, replaces, place));
    current_ = Current{doc_id, 0, 0, 0, !replaces.has_value()};
    return Begin{replaces.has_value() ? Begin::Kind::kReplaces : Begin::Kind::kNew, doc_id, 0, 0};
}

Status Writer::check_unit(const Unit& unit, uint32_t n_tokens) const {
    const auto bad = [](const char* what) {
        return make_error(ErrorCode::kInvalidArgument,
                          std::string("a unit cannot be stored: ") + what);
    };
    if (!current_.has_value()) return bad("no document was begun");
    constexpr auto kLargest = static_cast<uint64_t>(INT64_MAX);
    if (unit.byte_begin > unit.byte_end || unit.byte_end > kLargest) return bad("its byte range");
    if (unit.byte_begin < current_->byte_end) return bad("it overlaps the unit before it");
    if (unit.line_begin > unit.line_end) return bad("its line range");
    if (n_tokens > kLargest - next_position_) return bad("the store has no positions left");
    return {};
}

Status Writer::add_unit(const Unit& unit, uint32_t n_tokens) {
    S3ATTN_CHECK(usable());
    S3ATTN_CHECK(check_unit(unit, n_tokens));
    return fail(insert_unit(unit, n_tokens));
}

Status Writer::insert_unit(const Unit& unit, uint32_t n_tokens) {
    S3ATTN_CHECK(begin_transaction());
    insert_unit_.bind(1, current_->doc_id).bind(2, static_cast<int64_t>(next_position_));
    insert_unit_.bind(3, static_cast<int64_t>(n_tokens));
    insert_unit_.bind(4, static_cast<int64_t>(unit.byte_begin));
    insert_unit_.bind(5, static_cast<int64_t>(unit.byte_end));
    insert_unit_.bind(6, static_cast<int64_t>(unit.line_begin));
    insert_unit_.bind(7, static_cast<int64_t>(unit.line_end));
    insert_unit_.bind(8, static_cast<int64_t>(unit.page)).bind(9, unit.gap).bind(10, unit.text);
    S3ATTN_CHECK(insert_unit_.run());
    if (current_->visible) {  // a replacement's words come in when it is complete
        S3ATTN_CHECK(insert_words_.bind(1, db_->last_insert_id()).bind(2, unit.text).run());
    }
    next_position_ += n_tokens;
    pending_units_ += n_tokens;
    current_->tokens += n_tokens;
    current_->units += 1;
    current_->byte_end = unit.byte_end;
    return {};
}

Status Writer::add_codes(const CodeBatch& codes) {
    S3ATTN_CHECK(usable());
    if (codes.n_tokens > pending_units_ - pending_codes_) {
        return make_error(ErrorCode::kInvalidArgument,
                          "codes of " + std::to_string(codes.n_tokens) +
                              " tokens cannot be stored: only " +
                              std::to_string(pending_units_ - pending_codes_) +
                              " tokens of the added units lack theirs");
    }
    S3ATTN_CHECK(check_codes(shape_, codes));
    if (codes.n_tokens == 0) return {};
    return fail(write_codes(codes));
}

Status Writer::write_codes(const CodeBatch& codes) {
    if (segment_ == nullptr) {
        segment_id_ = next_segment_++;
        const std::string path =
            directory_ + "/" + segment_file_name(segment_id_) + kTemporarySuffix;
        S3ATTN_TRY(segment_, SegmentWriter::create(path, next_position_ - pending_units_, shape_));
    }
    S3ATTN_CHECK(segment_->add_codes(codes));
    pending_codes_ += codes.n_tokens;
    return {};
}

Status Writer::end_document() {
    S3ATTN_CHECK(usable());
    if (!current_.has_value()) {
        return make_error(ErrorCode::kInvalidArgument, "no document was begun");
    }
    const auto end = [&]() -> Status {
        S3ATTN_CHECK(begin_transaction());
        S3ATTN_CHECK(store_counts());
        if (!current_->visible) removed_ = true;
        return complete_document(*db_, current_->doc_id);
    };
    S3ATTN_CHECK(fail(end()));
    current_.reset();
    return {};
}

Status Writer::commit() {
    S3ATTN_CHECK(usable());
    if (pending_codes_ != pending_units_) {
        return make_error(ErrorCode::kInvalidArgument,
                          "cannot commit: " + std::to_string(pending_units_ - pending_codes_) +
                              " tokens have no codes yet");
    }
    if (!db_->in_transaction()) return {};
    auto merged = take_merged();
    if (merged.ok()) {
        S3ATTN_CHECK(fail(commit_transaction(*merged)));
        return start_merge();
    }
    S3ATTN_CHECK(fail(commit_transaction(std::nullopt)));
    return merged.error();
}

Status Writer::commit_transaction(const std::optional<MergeResult>& merged) {
    S3ATTN_CHECK(begin_transaction());
    S3ATTN_CHECK(store_counts());
    if (segment_ != nullptr) {
        S3ATTN_TRY(const SegmentRow row,
                   publish_segment(directory_, segment_id_, *segment_, pending_codes_));
        // From here on the file is not ours to unlink: should COMMIT fail half-way, the catalogue
        // may name it after all. If not, the next writer removes it.
        S3ATTN_CHECK(insert_segment(*db_, row));
    }
    if (merged.has_value()) S3ATTN_CHECK(swap_segments(*db_, *merged));
    S3ATTN_CHECK(save_meta(*db_, "next_segment", next_segment_));
    S3ATTN_CHECK(save_meta(*db_, "next_position", static_cast<int64_t>(next_position_)));
    S3ATTN_CHECK(db_->exec("COMMIT"));
    segment_.reset();
    pending_units_ = pending_codes_ = 0;
    if (merged.has_value()) unlink_old_segments(directory_, *merged);
    return {};
}

// What the background has finished, if anything.
Result<std::optional<MergeResult>> Writer::take_merged() {
    if (!merger_.busy() || !merger_.finished()) return std::optional<MergeResult>();
    auto result = merger_.take();
    if (!result.ok()) return joining_failed(result.error());
    return std::optional(std::move(*result));
}

// Hands the background its next job, if there is one and it has none.
Status Writer::start_merge() {
    if (merger_.busy()) return {};
    const Status status = plan_merge_job();
    return status.ok() ? status : joining_failed(status.error());
}

Status Writer::plan_merge_job() {
    S3ATTN_TRY(const auto segments, load_segments(*db_));
    std::optional<std::pair<size_t, size_t>> plan;
    if (removed_) {
        S3ATTN_TRY(const auto rewrite, plan_rewrite(*db_, segments));
        if (rewrite.has_value()) plan = {*rewrite, 1};
        removed_ = rewrite.has_value();
    }
    if (!plan.has_value()) plan = plan_merge(segments);
    if (!plan.has_value()) return {};
    const auto old = std::span(segments).subspan(plan->first, plan->second);
    MergeJob job;
    job.segment_id = next_segment_++;
    job.old.assign(old.begin(), old.end());
    S3ATTN_TRY(job.live, load_live_ranges(*db_, old.front().base, old.back().end()));
    merger_.start(std::move(job));
    return {};
}

Status Writer::settle() {
    S3ATTN_CHECK(usable());
    if (db_->in_transaction()) {
        return make_error(ErrorCode::kInvalidArgument, "commit what was added before settling");
    }
    for (;;) {
        S3ATTN_CHECK(start_merge());
        if (!merger_.busy()) return {};
        const auto merged = merger_.take();
        if (!merged.ok()) return joining_failed(merged.error());
        S3ATTN_CHECK(fail(commit_transaction(*merged)));
    }
}

Result<DocumentInfo> Writer::remove_document(const std::string& path_or_id) {
    S3ATTN_CHECK(usable());
    if (db_->in_transaction()) {
        return make_error(ErrorCode::kInvalidArgument,
                          "commit what was added before removing a document");
    }
    S3ATTN_TRY(const auto row, find_document(*db_, path_or_id));
    if (!row.has_value()) {
        return make_error(ErrorCode::kNotFound, "the store '" + directory_ + "' has no document '" +
                                                    path_or_id +
                                                    "'; s3attn list shows what it has");
    }
    const auto remove = [&]() -> Status {
        S3ATTN_CHECK(begin_transaction());
        S3ATTN_CHECK(drop_document(*db_, *row));
        return db_->exec("COMMIT");
    };
    S3ATTN_CHECK(fail(remove()));
    // Its replacement may have been dropped with it.
    current_.reset();
    removed_ = true;
    S3ATTN_CHECK(settle());
    return row->info;
}

// Two segments are written at a time at most, the run and a merge; each holds two blocks.
Status check_memory(const StoreShape& shape, const WriterOptions& options) {
    constexpr uint64_t kBytesPerPosting = 8, kMiB = 1 << 20;
    const uint64_t need = 4 * kBytesPerPosting * kBlockTokens * shape.n_slots * shape.k;
    if (need <= options.memory_bytes / 2) return {};
    return make_error(ErrorCode::kInvalidArgument,
                      "building an index of " + std::to_string(shape.n_slots) +
                          " head slots with k = " + std::to_string(shape.k) + " needs " +
                          std::to_string(2 * need / kMiB + 1) + " MiB of memory; --memory allows " +
                          std::to_string(options.memory_bytes / kMiB));
}

Result<std::unique_ptr<StoreWriter>> open_locked(const std::string& directory,
                                                 const Fingerprint* fingerprint,
                                                 const StoreShape* shape,
                                                 const WriterOptions& options) {
    S3ATTN_TRY(auto lock, WriterLock::exclusive(directory));
    if (const Status made = check_store_directory(directory); !made.ok()) {
        if (made.error().code != ErrorCode::kNotFound || fingerprint == nullptr) {
            return made.error();
        }
        S3ATTN_CHECK(create_catalog(directory, *fingerprint, *shape));
    }
    S3ATTN_TRY(auto db, open_catalog(directory, Database::Mode::kReadWrite));
    S3ATTN_TRY(const StoreShape stored_shape, load_shape(*db));
    if (fingerprint != nullptr) {
        S3ATTN_TRY(const Fingerprint stored, load_fingerprint(*db));
        S3ATTN_CHECK(check_fingerprint(directory, stored, *fingerprint));
        S3ATTN_CHECK(check_shape_equal(directory, stored_shape, *shape));
    }
    auto writer =
        std::make_unique<Writer>(directory, stored_shape, options, std::move(lock), std::move(db));
    S3ATTN_CHECK(writer->start());
    return std::unique_ptr<StoreWriter>(std::move(writer));
}

}  // namespace

Result<std::unique_ptr<StoreWriter>> StoreWriter::open(const std::string& directory,
                                                       const Fingerprint& fingerprint,
                                                       const StoreShape& shape,
                                                       const WriterOptions& options) {
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
    return open_locked(directory, &fingerprint, &shape, options);
}

Result<std::unique_ptr<StoreWriter>> open_existing_writer(const std::string& directory) {
    S3ATTN_CHECK(check_store_directory(directory));
    return open_locked(directory, nullptr, nullptr, WriterOptions());
}

}  // namespace s3attn
