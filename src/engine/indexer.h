// The write path: documents -> units -> tokens -> chunks -> keys -> codes -> store.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/timing.h"
#include "engine/chunk_coder.h"
#include "model/language_model.h"
#include "s3attn/index_report.h"
#include "s3attn/progress.h"
#include "store/store.h"
#include "text/document_reader.h"

namespace s3attn {

// Where a document stands in the whole list of a run of which this is a shard.
struct ShardPlace {
    int64_t list = 0;  // hash of the list's paths
    uint64_t length = 0, ordinal = 0;
};
using PlacedFile = std::pair<InputFile, std::optional<ShardPlace>>;
// Every `shards`-th file; all of them, without places, for 0 shards.
std::vector<PlacedFile> choose_shard(std::vector<InputFile> files, uint32_t shard, uint32_t shards);

// How documents are cut into units (IndexOptions::unit_tokens).
ReaderOptions reader_options(const IndexOptions& options);

// What the model reads between two units, from the white space there ("\n\n" behind the last one).
// It belongs to the unit in front: there the causal model has seen the whole unit, so the keys of
// the newlines describe it.
std::string unit_joiner(const std::string& gap);

// Scans documents into one open writer. Sections (and so chunks) are cut by the document alone, so
// an interrupted run resumes to the same codes as an uninterrupted one.
class Indexer {
  public:
    // All arguments must outlive the Indexer.
    Indexer(const Scanner& scanner, ChunkCoder& coder, StoreWriter& writer,
            const IndexOptions& options, ProgressSink& sink, const CancelToken& cancel);

    // Indexes one file; problems of the file itself become a skipped FileOutcome, problems of the
    // store or the model an Error. `bytes_before` and `bytes_total` place it in the progress bar.
    Result<FileOutcome> index_file(const std::string& path, const std::optional<ShardPlace>& place,
                                   uint64_t bytes_before, uint64_t bytes_total);
    // Commits what is pending, and waits for the merges that this has brought about.
    Status finish();

    uint64_t tokens_scanned() const { return tokens_scanned_; }
    std::map<std::string, double> timings_ms() const;

  private:
    Result<FileOutcome> scan_document(DocumentReader& reader, Unit first,
                                      const StoreWriter::Begin& begin);
    Status describe(DocumentReader& reader, Unit first, DocumentId doc_id);
    Result<bool> next_unit(DocumentReader& reader, Unit& unit);
    Status read_to_end(DocumentReader& reader);
    Status add_unit(const Unit& unit, const std::string& next_gap);
    Status scan_waiting(bool all);
    Status write_codes(bool wait);
    Status flush_chunks();
    Status commit();
    Status drop_document(DocumentId doc_id);
    void report(uint64_t bytes_done);
    void tell_notes(const DocumentReader& reader);

    const Scanner& scanner_;
    ChunkCoder& coder_;
    StoreWriter& writer_;
    IndexOptions options_;
    ProgressSink& sink_;
    const CancelToken& cancel_;
    std::vector<int32_t> waiting_;  // tokens of units added, not scanned yet
    uint64_t section_tokens_ = 0;   // since the document's last section border
    uint64_t tokens_scanned_ = 0;
    Stopwatch watch_;
    std::map<std::string, double> timings_ms_;
    std::string current_path_;
    size_t notes_told_ = 0;  // of the current document
    uint64_t bytes_before_ = 0, bytes_total_ = 0;
};

}  // namespace s3attn
