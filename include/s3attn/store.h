// A store of documents as a handle: what can be done to it without a model. Engine
// (s3attn/engine.h) scans documents into one and searches it.
//
//   auto store = Store::open("notes.s3");
//   for (const DocumentInfo& document : *store->list()) ...
//
// Threads and processes: any number may read a store while one writes it. A call sees one state,
// the newest that was committed when it began, and goes on seeing it whatever a writer does
// meanwhile. Between calls a handle for reading holds nothing that a writer would have to wait for.
// One handle may be used by many threads: what reads runs side by side, what writes (index() of an
// engine included) waits for its turn.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "s3attn/progress.h"
#include "s3attn/result.h"
#include "s3attn/types.h"

#pragma GCC visibility push(default)  // the shared library hides all else
namespace s3attn {

// A folder of this name inside a store is left alone: `s3attn serve` keeps uploaded files in it.
inline constexpr char kUploadsFolder[] = "uploads";

// A unit with the white space in front of it. Where offsets count bytes of a source that is not
// UTF-8, byte_end - byte_begin is not the length of `text`.
struct UnitText {
    uint64_t byte_begin = 0, byte_end = 0;
    uint32_t line_begin = 0, line_end = 0, page = 0;  // as in Span
    std::string gap, text;
    std::string heading, columns;  // as in Span
};
struct DocumentRange {
    DocumentInfo document;
    std::vector<UnitText> units;  // those that overlap the range, in order, whole
    bool cut = false;             // there are more than max_bytes of text; the rest is left out
};
struct VerifyReport {
    uint64_t documents = 0, units = 0, segments = 0, postings = 0, bytes = 0;
    std::vector<std::string> orphans_removed;  // files of an interrupted run
};

struct ExportReport {
    uint64_t documents = 0, units = 0, segments = 0;
    uint64_t bytes = 0;  // of the file
};

struct MergeReport {
    uint64_t added = 0, replaced = 0, unchanged = 0;      // documents
    uint64_t tokens = 0;                                  // copied in this run
    uint64_t documents = 0, store_tokens = 0, bytes = 0;  // of the store after it
    bool cancelled = false;  // stopped by the CancelToken; committed work is kept
};

struct FeatureOccurrence {
    DocumentId doc_id;
    TokenPosition position;     // in the store
    double activation = 0;      // as stored, 1 to 255
    std::string path, context;  // the unit's text
    uint64_t byte_begin = 0;    // of the unit, in the document
    uint32_t unit_token = 0;    // which token of the unit
    // Which bytes of `context` the token is; both 0 where no model was given, or where the token
    // lies in the white space behind the unit.
    uint64_t token_begin = 0, token_end = 0;
};
struct TokenPreference {
    std::string token;
    uint64_t count = 0;          // occurrences looked at
    double mean_activation = 0;  // over those
};
struct InspectReport {
    std::map<std::string, std::string> fingerprint;  // field -> value
    uint64_t documents = 0, units = 0, tokens = 0, segments = 0, postings = 0;
    uint64_t catalog_bytes = 0, segment_bytes = 0;
    uint32_t heads = 0, latents = 0, k = 0;
    // [i]: features with 2^(i-1) < length <= 2^i; [0]: those without a posting.
    std::vector<uint64_t> posting_length_histogram;
    std::vector<std::pair<uint32_t, uint64_t>> densest;  // (head slot * latents + latent, length)
    uint64_t dead_features = 0;                          // of heads * latents: without a posting
    uint64_t dense_features = 0;  // with postings at more than a tenth of the tokens
    std::vector<std::pair<std::string, uint64_t>> parts;  // with `stats`: what bytes are for
    // When a feature was asked for.
    uint64_t feature_postings = 0;               // at tokens of live documents
    double mean_activation = 0;                  // over these
    std::vector<FeatureOccurrence> occurrences;  // the strongest first
    std::vector<TokenPreference> likes;  // by summed activation, over the strongest 1,000 places
};

struct InspectOptions {
    int head_slot = -1;  // < 0: the store as a whole; else also where that feature fires
    uint32_t latent = 0;
    uint32_t limit = 20;  // most occurrences, most preferred tokens
    bool stats = false;   // also `parts` (reads the whole catalogue)
};

class Store {
  public:
    // kWrite takes the store's one writer lock for the life of the handle: kBusy names its holder.
    // kCreate is kWrite where there is a store. Where there is none it leaves the disk as it is:
    // the first Engine::index() makes the store and takes the lock.
    enum class Access { kRead, kWrite, kCreate };
    // kNotFound when there is no store of that name (not with kCreate).
    static Result<Store> open(const std::string& directory, Access access = Access::kRead);
    ~Store();
    Store(Store&&) noexcept;
    Store& operator=(Store&&) noexcept;

    const std::string& directory() const { return directory_; }

    // Opens the catalogue alone, however large the index is.
    Result<std::vector<DocumentInfo>> list() const;
    // kNotFound, reason::kNoDocument, when the store has no such document.
    Result<DocumentInfo> document(DocumentId doc_id) const;
    // The document of that path, as list() spells it; else the one whose file has that name too
    // ("./x.txt", the absolute path, a link to it), also when the file is gone. Where these are
    // two, since the short path was given in another working directory, reason::kDocumentAmbiguous.
    Result<std::optional<DocumentInfo>> find(const std::string& path) const;
    // The document's text as citations slice it (source bytes or extracted text), streamed.
    Status read_text(DocumentId doc_id, const std::function<bool(std::string_view)>& on_text) const;
    // Part of it, [byte_begin, byte_end) as citations count.
    Result<DocumentRange> read_range(DocumentId doc_id, uint64_t byte_begin, uint64_t byte_end,
                                     uint64_t max_bytes) const;
    Result<InspectReport> inspect(const InspectOptions& options) const;

    // Reads every byte. Fails with kCorrupt naming the first inconsistency.
    Result<VerifyReport> verify() const;
    // The store as one file. Nothing of that name may exist; it is there whole or not at all.
    Result<ExportReport> export_to(const std::string& file) const;
    // Makes a store of such a file: every checksum is compared and the result verified before it
    // gets its name. kInvalidArgument when something of that name exists; kCorrupt names the entry
    // of the file that is wrong.
    static Result<VerifyReport> import_from(const std::string& file, const std::string& directory);

    // The next four want Access::kWrite or kCreate; what they did is durable when they return.
    Result<DocumentInfo> remove(DocumentId doc_id);
    // What an interrupted run left of the document at `path`; an earlier version of it that is
    // complete stays. Nothing to drop is no error.
    Status drop_interrupted(const std::string& path);
    // Those of them that the store has.
    Result<std::vector<DocumentInfo>> remove(const std::vector<DocumentId>& doc_ids);
    // Removes the documents whose files are not there any more, of those at or below `places`
    // (files and folders, there or not). Returns what it removed.
    Result<std::vector<DocumentInfo>> prune(const std::vector<std::string>& places);

    // Copies the documents of `stores` into the store `directory`, made if absent. Shards of one
    // run (IndexOptions::shards) give what that run would have given in one store: the same
    // documents, ids, positions and search results; other stores are put one after the other. A
    // document that is there already, unchanged, is passed over: a shard may come twice, and an
    // interrupted merge is repeated. Of a path with several contents the store named last wins.
    // kMismatch names the first field in which the stores differ; a store with an interrupted
    // document is refused.
    static Result<MergeReport> merge(const std::string& directory,
                                     const std::vector<std::string>& stores, ProgressSink& sink,
                                     const CancelToken& cancel);

  private:
    friend class HandleWriter;
    struct Writing;
    Store(std::string directory, std::unique_ptr<Writing> writing);

    std::string directory_;
    std::unique_ptr<Writing> writing_;  // null with kRead
};

}  // namespace s3attn
#pragma GCC visibility pop
