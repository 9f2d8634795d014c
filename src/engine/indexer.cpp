#include "engine/indexer.h"

#include <algorithm>

#include "base/files.h"
#include "base/timing.h"

namespace s3attn {
std::string unit_joiner(const std::string& gap) {
    const auto newlines = std::count(gap.begin(), gap.end(), '\n');
    if (newlines >= 2) return "\n\n";
    return newlines == 1 ? "\n" : " ";
}

Indexer::Indexer(Scanner& scanner, const Adapter& adapter, StoreWriter& writer, uint32_t threads,
                 const IndexOptions& options, ProgressSink& sink, const CancelToken& cancel)
    : scanner_(scanner),
      adapter_(adapter),
      writer_(writer),
      encoder_(adapter, threads),
      options_(options),
      sink_(sink),
      cancel_(cancel),
      layers_(adapter.key_layers()) {}

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

    auto opened = open_document(path, ReaderOptions{});
    if (!opened.ok()) {
        skipped.reason = opened.error().message;
        return skipped;
    }
    DocumentReader& reader = **opened;
    for (const std::string& note : reader.header().notes) sink_.note(path + ": " + note);
    // A file without text gets no document, and so no id, not even for a moment.
    Unit first;
    const auto any = next_unit(reader, first);
    if (!any.ok() || !*any) {
        skipped.reason = any.ok() ? "the file holds no text" : any.error().message;
        return skipped;
    }
    if (place.has_value()) {
        S3ATTN_CHECK(writer_.place_next(place->list, place->length, place->ordinal));
    }
    S3ATTN_TRY(const StoreWriter::Begin begin, writer_.begin_document(reader.header()));
    if (begin.kind == StoreWriter::Begin::Kind::kUnchanged) {
        FileOutcome outcome;
        outcome.path = path;
        outcome.kind = FileOutcome::Kind::kUnchanged;
        outcome.doc_id = begin.doc_id;
        outcome.bytes = reader.header().source_bytes;
        return outcome;
    }
    return scan_document(reader, std::move(first), begin);
}

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
    report(reader.header().source_bytes);
    return outcome;
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
    while (waiting_.size() >= scanner_.chunk_tokens()) S3ATTN_CHECK(scan_chunk());
    return {};
}

// Scans the first chunk of the waiting tokens and hands its codes to the writer.
Status Indexer::scan_chunk() {
    if (cancel_.cancelled()) return make_error(ErrorCode::kCancelled, "interrupted");
    const auto n =
        static_cast<uint32_t>(std::min<size_t>(waiting_.size(), scanner_.chunk_tokens()));
    codes_.n_tokens = n;
    codes_.n_slots = static_cast<uint32_t>(adapter_.slots.size());
    codes_.k = adapter_.k;
    codes_.feature.assign(size_t{n} * codes_.n_slots * codes_.k, 0);
    codes_.activation.assign(codes_.feature.size(), 0);

    const Stopwatch scan_watch;
    double encode_ms = 0;
    const auto encode = [&](const ProjectionView& keys) -> Status {
        const Stopwatch watch;
        for (uint32_t slot = 0; slot < adapter_.slots.size(); ++slot) {
            if (adapter_.slots[slot].layer != keys.layer) continue;
            const RowsView rows{keys.data + adapter_.slots[slot].kv_head * keys.head_stride,
                                keys.n_tokens, keys.d_head, keys.token_stride};
            encoder_.encode(slot, rows, codes_);
        }
        encode_ms += watch.milliseconds();
        return {};
    };
    S3ATTN_CHECK(scanner_.capture({waiting_.data(), n}, layers_, Projection::kKey, encode));
    timings_ms_["encode"] += encode_ms;
    timings_ms_["scan"] += scan_watch.milliseconds() - encode_ms;
    scan_seconds_ += scan_watch.seconds();
    waiting_.erase(waiting_.begin(), waiting_.begin() + n);
    tokens_scanned_ += n;

    const Stopwatch write_watch;
    S3ATTN_CHECK(writer_.add_codes(codes_));
    timings_ms_["write"] += write_watch.milliseconds();
    return {};
}

Status Indexer::flush_chunks() {
    while (!waiting_.empty()) S3ATTN_CHECK(scan_chunk());
    return {};
}

Status Indexer::commit() {
    const Stopwatch watch;
    S3ATTN_CHECK(writer_.commit());
    timings_ms_["write"] += watch.milliseconds();
    return {};
}

// A file that turned out unreadable half-way leaves nothing behind; files before it stay.
Status Indexer::drop_document(int64_t doc_id) {
    S3ATTN_CHECK(flush_chunks());
    S3ATTN_CHECK(commit());
    auto removed = writer_.remove_document(std::to_string(doc_id));
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

void Indexer::report(uint64_t bytes_done) {
    Progress progress;
    progress.stage = "scan";
    progress.item = current_path_;
    progress.done = bytes_before_ + bytes_done;
    progress.total = bytes_total_;
    progress.unit = "bytes";
    progress.tokens_per_s =
        scan_seconds_ > 0 ? static_cast<double>(tokens_scanned_) / scan_seconds_ : 0;
    sink_.update(progress);
}

}  // namespace s3attn
