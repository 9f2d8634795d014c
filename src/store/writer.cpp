#include "store/writer.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/files.h"
#include "s3attn/reason.h"
#include "store/catalog.h"
#include "store/catalog_checks.h"
#include "store/layout.h"
#include "store/sources.h"

namespace s3attn {

Error Writer::give_up(const Error& error) {
    failed_ = Error{error.code, "out of memory", reason::kNoMemory, {}};  // needs none itself
    merger_.abandon();
    insert_unit_.reset();
    insert_words_.reset();
    segment_.reset();
    current_.reset();
    if (db_->in_transaction()) [[maybe_unused]]
        const Status ignored = db_->exec("ROLLBACK");
    if (error.code == ErrorCode::kExhausted) return *failed_;  // no memory for more words
    failed_ = error;
    failed_->message += " (the store keeps what was committed; open it again)";
    return *failed_;
}

Writer::~Writer() {
    if (failed_.has_value() || db_->in_transaction()) return;
    [[maybe_unused]] const Status ignored = guarded([&] { return settle(); });
}

// Brings the directory to the state the catalogue describes.
Status Writer::start() {
    // FULL: a commit is on the disk when it returns (in WAL mode NORMAL would sync later).
    // The log is cut back when it begins anew: one large commit does not leave it large.
    S3ATTN_CHECK(
        db_->exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; "
                  "PRAGMA journal_size_limit = 4194304"));
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
                            "byte_end, line_begin, line_end, page, gap, text, heading, columns, "
                            "time_begin_ms, time_end_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, "
                            "?9, ?10, ?11, ?12, ?13, ?14)"));
    S3ATTN_TRY(insert_words_,
               db_->prepare("INSERT INTO units_fts(rowid, text, heading) VALUES (?1, ?2, ?3)"));
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
    S3ATTN_TRY(const int64_t base, attempt([&] { return list_base(list, length); }));
    place_ = DocumentId(base + static_cast<int64_t>(ordinal) + 1);
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
Result<std::optional<DocumentId>> Writer::if_free(std::optional<DocumentId> place) {
    if (!place.has_value()) return place;
    S3ATTN_TRY(const auto there, find_document(*db_, *place));
    return there.has_value() ? std::nullopt : place;
}

Result<StoreWriter::Begin> Writer::begin_document(const DocumentHeader& header) {
    S3ATTN_CHECK(usable());
    if (header.path.empty()) {
        return make_error(ErrorCode::kInvalidArgument, "a document needs a path");
    }
    return attempt([&] { return begin(header); });
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
            return Begin{Begin::Kind::kResumes, info.doc_id,    info.units,
                         info.tokens,           info.described, current_->byte_end};
        }
        S3ATTN_CHECK(begin_transaction());
        S3ATTN_CHECK(drop_document(*db_, *part));  // the file changed since
        removed_ = true;
    }
    if (unchanged) {
        return Begin{Begin::Kind::kUnchanged, whole->info.doc_id, whole->info.units,
                     whole->info.tokens, whole->info.described};
    }
    std::optional<DocumentId> replaces;
    if (whole.has_value()) replaces = whole->info.doc_id;
    S3ATTN_CHECK(begin_transaction());
    S3ATTN_TRY(place, if_free(place));
    S3ATTN_TRY(const DocumentId doc_id, insert_document(*db_, header, replaces, place));
    current_ = Current{doc_id, 0, 0, 0, !replaces.has_value()};
    return Begin{replaces.has_value() ? Begin::Kind::kReplaces : Begin::Kind::kNew, doc_id, 0, 0};
}

Result<bool> Writer::describe(DocumentId doc_id, const DocumentHeader& header,
                              const std::function<Result<bool>(Unit&)>& next) {
    S3ATTN_CHECK(usable());
    const auto change = [&]() -> Result<bool> {
        S3ATTN_CHECK(begin_transaction());
        return describe_document(*db_, doc_id, header, next);
    };
    return attempt(change);
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
    return attempt([&] { return insert_unit(unit, n_tokens); });
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
    insert_unit_.bind(11, unit.heading).bind(12, unit.columns);
    insert_unit_.bind(13, static_cast<int64_t>(unit.time_begin_ms));
    insert_unit_.bind(14, static_cast<int64_t>(unit.time_end_ms));
    S3ATTN_CHECK(insert_unit_.run());
    if (current_->visible) {  // a replacement's words come in when it is complete
        insert_words_.bind(1, db_->last_insert_id()).bind(2, unit.text);
        S3ATTN_CHECK(insert_words_.bind(3, unit.heading + " " + unit.columns).run());
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
    return attempt([&] { return write_codes(codes); });
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
    S3ATTN_CHECK(attempt(end));
    current_.reset();
    return {};
}

Result<std::string> Writer::recognise(DocumentHeader& header) {
    S3ATTN_CHECK(usable());
    const bool idle = !db_->in_transaction();
    const bool from_store = !header.source.empty();
    if (!from_store) header.source = source_of(header.path, directory_);
    auto before = attempt([&] {
        return from_store ? find_known_source(*db_, header) : find_known_file(*db_, header);
    });
    // A file moved over another one has dropped that one's document.
    if (idle && db_->in_transaction()) removed_ = true;
    return before;
}

Result<DocumentInfo> Writer::remove_document(DocumentId doc_id) {
    S3ATTN_CHECK(usable());
    if (db_->in_transaction()) {
        return make_error(ErrorCode::kInvalidArgument,
                          "commit what was added before removing a document");
    }
    S3ATTN_TRY(const auto row, find_document(*db_, doc_id));
    if (!row.has_value()) return no_document(directory_, doc_id);
    S3ATTN_CHECK(drop(*row));
    return row->info;
}

Status Writer::drop(const DocumentRow& row) {
    const auto remove = [&]() -> Status {
        S3ATTN_CHECK(begin_transaction());
        S3ATTN_CHECK(drop_document(*db_, row));
        return db_->exec("COMMIT");
    };
    S3ATTN_CHECK(attempt(remove));
    // Its replacement may have been dropped with it.
    current_.reset();
    removed_ = true;
    return settle();
}

Status Writer::drop_interrupted(const std::string& path) {
    S3ATTN_CHECK(usable());
    S3ATTN_TRY(const auto row, find_document(*db_, path, false));
    return row.has_value() ? drop(*row) : Status();
}

}  // namespace s3attn
