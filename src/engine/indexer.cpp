#include "engine/indexer.h"

#include <algorithm>
#include <utility>

#include "base/files.h"
#include "base/timing.h"

namespace s3attn {

std::string unit_joiner(const std::string& gap) {
    const auto newlines = std::count(gap.begin(), gap.end(), '\n');
    if (newlines >= 2) return "\n\n";
    return newlines == 1 ? "\n" : " ";
}

ReaderOptions reader_options(const IndexOptions& options) {
    ReaderOptions reading;
    if (options.unit_tokens == 0) return reading;
    // A token of English text is about four bytes; the limits keep their proportions.
    const double scale = static_cast<double>(options.unit_tokens) * 4 /
                         static_cast<double>(reading.target_unit_bytes);
    for (uint32_t* bytes :
         {&reading.min_unit_bytes, &reading.target_unit_bytes, &reading.max_unit_bytes}) {
        *bytes = static_cast<uint32_t>(static_cast<double>(*bytes) * scale);
    }
    return reading;
}

Indexer::Indexer(const Scanner& scanner, ChunkCoder& coder, StoreWriter& writer,
                 const IndexOptions& options, ProgressSink& sink, const CancelToken& cancel)
    : scanner_(scanner),
      coder_(coder),
      writer_(writer),
      options_(options),
      sink_(sink),
      cancel_(cancel) {}

std::vector<PlacedFile> choose_shard(std::vector<InputFile> files, uint32_t shard,
                                     uint32_t shards) {
    std::vector<PlacedFile> chosen;
    std::string paths;
    for (const InputFile& file : files) paths += file.path + '\0';
    ShardPlace place;
    place.list = static_cast<int64_t>(std::stoull(hash_bytes(paths).substr(0, 16), nullptr, 16));
    place.length = files.size();
    for (; place.ordinal < place.length; ++place.ordinal) {
        InputFile& file = files[place.ordinal];
        if (shards == 0) {
            chosen.emplace_back(std::move(file), std::nullopt);
        } else if ((place.ordinal + 1) % shards == shard % shards) {
            chosen.emplace_back(std::move(file), place);
        }
    }
    return chosen;
}

Result<FileOutcome> Indexer::index_file(const std::string& path,
                                        const std::optional<ShardPlace>& place,
                                        uint64_t bytes_before, uint64_t bytes_total) {
    current_path_ = path;
    bytes_before_ = bytes_before;
    bytes_total_ = bytes_total;
    FileOutcome skipped;
    skipped.path = path;
    skipped.kind = FileOutcome::Kind::kSkipped;

    auto opened = open_document(path, reader_options(options_));
    if (!opened.ok() && opened.error().code == ErrorCode::kCancelled) return opened.error();
    if (!opened.ok()) {
        skipped.reason = opened.error().message;
        return skipped;
    }
    DocumentReader& reader = **opened;
    notes_told_ = 0;
    tell_notes(reader);
    // A file without text gets no document, and so no id, not even for a moment.
    Unit first;
    const auto any = next_unit(reader, first);
    if (!any.ok() || !*any) {
        skipped.reason = any.ok() ? "the file holds no text" : any.error().message;
        skipped.notes = reader.header().notes;
        return skipped;
    }
    if (place.has_value()) {
        S3ATTN_CHECK(writer_.place_next(place->list, place->length, place->ordinal));
    }
    DocumentHeader header = reader.header();
    S3ATTN_TRY(const std::string renamed_from, writer_.recognise(header));
    S3ATTN_TRY(const StoreWriter::Begin begin, writer_.begin_document(header));
    if (begin.kind == StoreWriter::Begin::Kind::kUnchanged) {
        FileOutcome outcome;
        outcome.path = path;
        outcome.kind =
            renamed_from.empty() ? FileOutcome::Kind::kUnchanged : FileOutcome::Kind::kRenamed;
        outcome.renamed_from = renamed_from;
        outcome.doc_id = begin.doc_id;
        outcome.bytes = reader.header().source_bytes;
        if (!begin.described) S3ATTN_CHECK(describe(reader, std::move(first), begin.doc_id));
        S3ATTN_CHECK(read_to_end(reader));
        outcome.notes = reader.header().notes;
        return outcome;
    }
    return scan_document(reader, std::move(first), begin);
}

// What a store of an older program lacks of a document that is as it was.
Status Indexer::describe(DocumentReader& reader, Unit first, DocumentId doc_id) {
    bool begun = false;
    const auto next = [&](Unit& unit) -> Result<bool> {
        if (std::exchange(begun, true)) return reader.next(unit);
        unit = std::move(first);
        return true;
    };
    S3ATTN_TRY(const bool same, writer_.describe(doc_id, reader.header(), next));
    if (same) return {};
    sink_.note(current_path_ +
               ": an older version cut it into other passages, so its headings and its date are "
               "not known; remove it and index it again to have them");
    return {};
}

namespace {

// What an interrupted run left goes, and with it what would be left out or read twice.
Error cut_otherwise(const std::string& path) {
    return make_error(ErrorCode::kMismatch,
                      path +
                          " was begun with other passages (of another size, or an older version); "
                          "what was there of it is dropped: index it again");
}

}  // namespace

Result<FileOutcome> Indexer::scan_document(DocumentReader& reader, Unit unit,
                                           const StoreWriter::Begin& begin) {
    using Kind = StoreWriter::Begin::Kind;
    FileOutcome outcome;
    outcome.path = current_path_;
    outcome.doc_id = begin.doc_id;
    outcome.bytes = reader.header().source_bytes;
    outcome.kind = begin.kind == Kind::kResumes    ? FileOutcome::Kind::kResumed
                   : begin.kind == Kind::kReplaces ? FileOutcome::Kind::kReplaced
                                                   : FileOutcome::Kind::kIndexed;
    const auto give_up = [&](const Error& error) -> Result<FileOutcome> {
        S3ATTN_CHECK(drop_document(begin.doc_id));
        outcome.kind = FileOutcome::Kind::kSkipped;
        outcome.reason = error.message;
        outcome.tokens = 0;
        outcome.notes = reader.header().notes;
        return outcome;
    };

    section_tokens_ = 0;
    const uint64_t tokens_before = tokens_scanned_;
    // One unit of look-ahead: the gap that follows a unit decides which newlines the model reads.
    Unit next;
    uint64_t units = 0;
    for (bool last = false; !last; ++units) {
        const auto more = next_unit(reader, next);
        if (!more.ok()) return give_up(more.error());
        last = !*more;
        if (units + 1 == begin.units_done && unit.byte_end != begin.byte_end) {
            return give_up(cut_otherwise(current_path_));
        }
        if (units >= begin.units_done) {
            S3ATTN_CHECK(add_unit(unit, last ? "\n\n" : next.gap));
            report(reader.header().offsets == OffsetSpace::kSource ? unit.byte_end : 0);
            if (section_tokens_ >= options_.commit_tokens) {
                S3ATTN_CHECK(flush_chunks());
                S3ATTN_CHECK(commit());
                section_tokens_ = 0;
            }
        }
        std::swap(unit, next);
    }
    S3ATTN_CHECK(flush_chunks());
    S3ATTN_CHECK(writer_.end_document());
    if (writer_.pending_tokens() >= options_.commit_tokens) S3ATTN_CHECK(commit());
    outcome.tokens = tokens_scanned_ - tokens_before;
    tell_notes(reader);
    outcome.notes = reader.header().notes;
    report(reader.header().source_bytes);
    return outcome;
}

// What is not read of a document is named on every run, also where nothing of it has changed; some
// of it is known at its end only.
Status Indexer::read_to_end(DocumentReader& reader) {
    Unit unit;
    for (;;) {
        if (cancel_.cancelled()) return make_error(ErrorCode::kCancelled, "interrupted");
        const auto more = next_unit(reader, unit);
        if (!more.ok() || !*more) break;  // what it was indexed from is there all the same
    }
    tell_notes(reader);
    return {};
}

Result<bool> Indexer::next_unit(DocumentReader& reader, Unit& unit) {
    const Stopwatch watch;
    auto more = reader.next(unit);
    timings_ms_["read"] += watch.milliseconds();
    return more;
}

Status Indexer::add_unit(const Unit& unit, const std::string& next_gap) {
    const Stopwatch watch;
    S3ATTN_TRY(const Tokens tokens,
               scanner_.tokenizer().tokenize(unit.text + unit_joiner(next_gap)));
    timings_ms_["tokenize"] += watch.milliseconds();
    S3ATTN_CHECK(writer_.add_unit(unit, static_cast<uint32_t>(tokens.ids.size())));
    waiting_.insert(waiting_.end(), tokens.ids.begin(), tokens.ids.end());
    section_tokens_ += tokens.ids.size();
    return scan_waiting(false);
}

// Hands waiting tokens to the coder: whole batches, or with `all` everything; writes what is done.
Status Indexer::scan_waiting(bool all) {
    while (waiting_.size() >= coder_.batch_tokens() || (all && !waiting_.empty())) {
        if (cancel_.cancelled()) return make_error(ErrorCode::kCancelled, "interrupted");
        size_t n = std::min<size_t>(waiting_.size(), coder_.batch_tokens());
        if (n > scanner_.chunk_tokens()) n -= n % scanner_.chunk_tokens();
        S3ATTN_CHECK(coder_.submit({waiting_.data(), n}));
        waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<ptrdiff_t>(n));
        S3ATTN_CHECK(write_codes(false));
    }
    return all ? write_codes(true) : Status{};
}

// What the coder has finished; with `wait` what it will finish too.
Status Indexer::write_codes(bool wait) {
    for (;;) {
        const Stopwatch waiting;
        S3ATTN_TRY(const CodeBatch* codes, coder_.take(wait));
        timings_ms_["wait"] += waiting.milliseconds();
        if (codes == nullptr) return {};
        tokens_scanned_ += codes->n_tokens;
        const Stopwatch write_watch;
        S3ATTN_CHECK(writer_.add_codes(*codes));
        timings_ms_["write"] += write_watch.milliseconds();
    }
}

Status Indexer::flush_chunks() { return scan_waiting(true); }

std::map<std::string, double> Indexer::timings_ms() const {
    std::map<std::string, double> all = timings_ms_;
    for (const auto& [stage, ms] : coder_.timings_ms()) all[stage] += ms;
    return all;
}

Status Indexer::commit() {
    const Stopwatch watch;
    S3ATTN_CHECK(writer_.commit());
    timings_ms_["write"] += watch.milliseconds();
    return {};
}

// A file that turned out unreadable half-way leaves nothing behind; files before it stay.
Status Indexer::drop_document(DocumentId doc_id) {
    S3ATTN_CHECK(flush_chunks());
    S3ATTN_CHECK(commit());
    auto removed = writer_.remove_document(doc_id);
    if (!removed.ok() && removed.error().code != ErrorCode::kNotFound) return removed.error();
    return {};
}

Status Indexer::finish() {
    S3ATTN_CHECK(commit());
    const Stopwatch watch;
    const Status status = writer_.settle();
    timings_ms_["settle"] += watch.milliseconds();
    return status;
}

// What could not be read is for the report's reader, who sees it once, with the file's outcome.
void Indexer::tell_notes(const DocumentReader& reader) {
    const std::vector<ReadNote>& notes = reader.header().notes;
    for (; notes_told_ < notes.size(); ++notes_told_) {
        const ReadNote& note = notes[notes_told_];
        if (note.kind != ReadNote::Kind::kUnread) sink_.note(current_path_ + ": " + note.text());
    }
}

void Indexer::report(uint64_t bytes_done) {
    Progress progress;
    progress.stage = "scan";
    progress.item = current_path_;
    progress.done = bytes_before_ + bytes_done;
    progress.total = bytes_total_;
    progress.unit = "bytes";
    // Of the whole run, since stages overlap on a device.
    progress.tokens_per_s = static_cast<double>(tokens_scanned_) / std::max(1e-9, watch_.seconds());
    sink_.update(progress);
}

}  // namespace s3attn
