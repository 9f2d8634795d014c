// The store on disk: a directory with catalog.db (SQLite: documents, units, FTS5, live segments,
// fingerprint) and immutable, checksummed *.seg files (feature -> positions). SQLite is the truth:
// a segment counts only once the transaction that names it has committed.
//
// One writer at a time (a lock file, kBusy otherwise), any number of readers, each on the snapshot
// of its open(). docs/formats/store.md is the specification.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/codes.h"
#include "s3attn/result.h"
#include "s3attn/types.h"
#include "store/segment.h"
#include "text/document_reader.h"

namespace s3attn {

// What made the codes; two stores or runs are compatible when all fields are equal, but for the
// fields that only describe (of which stores of older programs have none).
struct Fingerprint {
    std::map<std::string, std::string>
        fields;  // "model_hash", "tokenizer_hash", "key_side_hash", ...
};
// Describes: ModelInfo::identity, the same for all quantisations of a model.
inline constexpr char kModelIdentityField[] = "model_identity";
// All fields' names, those that only describe left out.
std::set<std::string> binding_fields(const Fingerprint& a, const Fingerprint& b);
struct StoreShape {
    uint32_t n_slots = 0, latents = 0, k = 0;
};

// The model that made a store's vectors, one of each unit: what the voice "dense" compares with a
// question's.
struct EmbedderInfo {
    std::string name, hash;  // of its file
    uint32_t dimension = 0;
};
// Of live_units(), in that order: values are codes times the unit's scale.
struct UnitVectors {
    uint32_t dimension = 0;
    std::vector<int8_t> codes;  // [unit][dimension]
    std::vector<float> scales;  // [unit]; 0: the unit has no vector yet
};

// A unit as the catalogue holds it.
struct UnitRow {
    UnitId unit_id;
    DocumentId doc_id;
    TokenPosition position_begin;  // global token positions [begin, begin + n_tokens)
    uint32_t n_tokens = 0;
    uint64_t byte_begin = 0, byte_end = 0;
    uint32_t line_begin = 0, line_end = 0, page = 0;
    std::string text;
    std::string heading, columns;                 // as in Unit
    uint64_t time_begin_ms = 0, time_end_ms = 0;  // as in Unit
};
// The part of UnitRow that scoring needs, for every live unit, ascending by position.
struct UnitExtent {
    UnitId unit_id;
    TokenPosition position_begin;
    uint32_t n_tokens = 0;
};

// Where a live unit stands in its document.
struct UnitPlace {
    UnitId unit_id;
    DocumentId doc_id;
    uint64_t byte_begin = 0, byte_end = 0;
};

// In how many live units a word occurs, whichever of its readings.
struct WordFrequency {
    std::string form;  // normal form (text/word_cutter.h)
    uint64_t units = 0;
};

struct WriterOptions {
    // Most memory for building, SQLite's included: what does not fit goes to the disk and is read
    // again for merging. kInvalidArgument when one block of the adapter's shape needs more.
    uint64_t memory_bytes = 256ull << 20;
};

class StoreWriter {
  public:
    // Creates the store if absent; takes the writer lock; removes orphan files of a dead writer.
    // kMismatch names the first fingerprint field that differs.
    static Result<std::unique_ptr<StoreWriter>> open(const std::string& directory,
                                                     const Fingerprint& fingerprint,
                                                     const StoreShape& shape,
                                                     const WriterOptions& options = {});
    // What is not committed is dropped. Waits for merges in the background, unless something was
    // left uncommitted: then it stops them.
    virtual ~StoreWriter() = default;

    struct Begin {
        enum class Kind { kNew, kReplaces, kUnchanged, kResumes } kind = Kind::kNew;
        DocumentId doc_id;
        uint64_t units_done = 0;  // already committed: skip as many units of the reader
        uint64_t tokens_done = 0;
        bool described = true;  // as DocumentInfo::described
        uint64_t byte_end = 0;  // kResumes: of the last unit that is there
    };
    // For shards: the next document begun is number `ordinal` (from 0) of a list of `length` that
    // `list` (a hash) stands for. New documents of one list get ascending ids in the list's order,
    // whichever of them come, so that merge_stores() can put shards together in that order.
    virtual Status place_next(int64_t list, uint64_t length, uint64_t ordinal) = 0;
    // Before begin_document(): gives `header` the source of the file header.path, and the path of
    // the document that this file is already, under whatever name (sources.h). Returns that
    // document's path so far where the file was renamed, and then nothing needs to be scanned;
    // otherwise nothing. A header with a source comes from another store: no file is looked at.
    virtual Result<std::string> recognise(DocumentHeader& header) = 0;
    // Starts a document (same path and hash, complete: kUnchanged, nothing to do; incomplete:
    // kResumes; same path, other hash: kReplaces, the old one goes when the new one is complete).
    virtual Result<Begin> begin_document(const DocumentHeader& header) = 0;
    // Adds what an older program did not keep of an unchanged document: title, date, properties,
    // and of each unit headings, columns and times; as of the next commit(). `next` gives its units
    // in order. False, and nothing is changed, where they are not the units that are stored.
    virtual Result<bool> describe(DocumentId doc_id, const DocumentHeader& header,
                                  const std::function<Result<bool>(Unit&)>& next) = 0;
    // Units of the document begun last; their tokens take the next positions.
    virtual Status add_unit(const Unit& unit, uint32_t n_tokens) = 0;
    // Codes of the next tokens, in the order of the units added (may lag behind add_unit).
    virtual Status add_codes(const CodeBatch& codes) = 0;
    // Marks the document complete as of the next commit().
    virtual Status end_document() = 0;
    // Makes everything added so far durable, atomically. All added units must have their codes.
    // Segments are joined on a thread in the background: a commit starts it and, when it is done,
    // makes its result count; it never waits for it.
    virtual Status commit() = 0;
    // Waits until no segments are left to be joined. After commit().
    virtual Status settle() = 0;
    virtual uint64_t pending_tokens() const = 0;
    // Drops a document; durable on return.
    virtual Result<DocumentInfo> remove_document(DocumentId doc_id) = 0;
    // Drops the interrupted document at `path`, where there is one; durable on return.
    virtual Status drop_interrupted(const std::string& path) = 0;

    // Vectors, beside the codes. They are added to what is committed, whenever that was: a unit has
    // none until then, and loses it with its document.
    virtual Result<std::optional<EmbedderInfo>> embedder() = 0;
    // From now on the store's vectors are of this model; kMismatch when it has some of another.
    virtual Status use_embedder(const EmbedderInfo& embedder) = 0;
    struct UnitToEmbed {
        UnitId unit_id;
        std::string text;
    };
    // The first committed units behind `after` that have none, in order.
    virtual Result<std::vector<UnitToEmbed>> units_to_embed(UnitId after, uint32_t limit) = 0;
    virtual Result<uint64_t> count_units_to_embed() = 0;
    // One vector of embedder()->dimension values for each of these units; durable on return.
    virtual Status add_vectors(const std::vector<UnitToEmbed>& units,
                               const std::vector<std::vector<float>>& vectors) = 0;
};

class StoreReader {
  public:
    // `expected` null: any store of a known format version (list, verify, inspect).
    static Result<std::unique_ptr<StoreReader>> open(const std::string& directory,
                                                     const Fingerprint* expected);
    virtual ~StoreReader() = default;

    virtual const StoreShape& shape() const = 0;
    virtual const Fingerprint& fingerprint() const = 0;
    virtual Result<std::vector<DocumentInfo>> documents() const = 0;
    virtual Result<DocumentInfo> document(DocumentId doc_id) const = 0;
    virtual Result<UnitRow> unit(UnitId unit_id) const = 0;
    virtual const std::vector<UnitExtent>& live_units() const = 0;
    virtual Result<std::vector<UnitPlace>> places() const = 0;  // of live_units(), in that order
    virtual const std::vector<std::shared_ptr<const Segment>>& segments() const = 0;  // by base
    virtual uint64_t live_tokens() const = 0;
    virtual uint64_t bytes_on_disk() const = 0;

    // Nothing where the store has no vectors.
    virtual Result<std::optional<EmbedderInfo>> embedder() const = 0;
    virtual Result<UnitVectors> vectors() const = 0;

    // Between questions: rest() lets go of the catalogue, so that the writer's log can be cleared.
    // renew() takes it up again, and says whether the store is still as open() found it; if not,
    // nothing but opening it anew is of use.
    virtual void rest() = 0;
    virtual Result<bool> renew() = 0;

    struct Match {
        UnitId unit_id;
        double bm25 = 0;  // positive, larger is better
    };
    // Which units count, by their places in live_units(), ascending; null: all.
    using Places = std::vector<uint32_t>;
    // BM25 (k1 1.2, b 0.75; docs/formats/store.md) of any of the question's words, each in the
    // languages of the store that it may be in; best first, ties by unit id. No searchable word:
    // empty. With `only`, as if the store held no other units.
    virtual Result<std::vector<Match>> bm25(std::string_view question, uint32_t limit,
                                            const Places* only = nullptr) const = 0;
    // Of the question's distinct words, stop words included, in the order they are first said in.
    virtual Result<std::vector<WordFrequency>> word_frequencies(
        std::string_view question, const Places* only = nullptr) const = 0;
};

}  // namespace s3attn
