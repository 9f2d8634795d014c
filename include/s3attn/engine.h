// Start here. Engine wires the stages together: index documents, search them, answer from them.
//
//   auto engine = Engine::open(options);                     // scanning model + adapter
//   engine->index("notes.s3", {"book.md"}, {}, sink, token);  // once per document
//   engine->ask("notes.s3", "Who ...?", {}, print_piece);     // as often as you like
//
// Threads: any number of threads may call one Engine. Searches run side by side, also beside
// index(): only the model's forward pass over each question waits for its turn. Of index() one call
// runs at a time, of ask() and answer() together one too; further ones wait. Every wait, loading
// included, ends soon after the call's CancelToken fires. Several processes may read a store while
// one writes it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "s3attn/progress.h"
#include "s3attn/result.h"
#include "s3attn/types.h"

#pragma GCC visibility push(default)  // the shared library hides all else
namespace s3attn {

struct EngineOptions {
    std::string model;    // GGUF that scans (and, without `reader`, answers)
    std::string adapter;  // adapter directory; empty: the one of `adapter_dirs` made for the model
    std::vector<std::string> adapter_dirs;  // searched for a matching adapter
    std::string reader;                     // GGUF that answers; empty: `model`
    std::string cache_dir;      // scan copies are kept here; empty: no copy is made or used
    uint32_t threads = 0;       // 0: all cores this process may use
    uint32_t chunk_tokens = 0;  // tokens of one forward pass of the scan; 0: the store's, or 256
    Device device = Device::kAuto;  // kCuda fails where there is none
    uint32_t reader_context = 0;    // window of the reader in tokens; 0: up to 8192
    RerankOptions rerank;           // of every search
    std::string rerank_model;       // GGUF of the second stage; empty: `reader`, or `model`
};

class Engine {
  public:
    // Reads the scanning model's header and its adapter. Weights are loaded when they are needed:
    // the scanning model's by the first search or index, the reader's by the first answer.
    // Fails with kMismatch when the adapter was made for another model, naming the field.
    static Result<std::unique_ptr<Engine>> open(const EngineOptions& options);
    virtual ~Engine() = default;

    // Scans `inputs` (files, directories, "-" for standard input) into the store directory, made
    // if absent. A file that cannot be read is reported in the result and skipped; the others are
    // indexed. An unchanged document is skipped, a changed one replaced, an interrupted one
    // resumed. Resident memory does not depend on the inputs' size.
    virtual Result<IndexReport> index(const std::string& store,
                                      const std::vector<std::string>& inputs,
                                      const IndexOptions& options, ProgressSink& sink,
                                      const CancelToken& cancel) = 0;

    // Evidence for a question. An empty store and an empty question are kInvalidArgument.
    virtual Result<SearchResult> search(const std::string& store, const std::string& question,
                                        const SearchOptions& options) = 0;

    // Called with each piece of the answer as it is generated (whole UTF-8 characters);
    // return false to stop.
    using OnPiece = std::function<bool(std::string_view)>;
    // Called once, after retrieval and before the first piece.
    using OnEvidence = std::function<void(const SearchResult&)>;

    // search(), then an answer from the evidence alone. With no evidence above the adapter's
    // calibrated floor the answer says so and the reader is not asked.
    virtual Result<AskResult> ask(const std::string& store, const std::string& question,
                                  const AskOptions& options, const OnPiece& on_piece,
                                  const OnEvidence& on_evidence) = 0;

    // The second half of ask(): an answer to found.question from the evidence in `found`, which
    // may come from several searches. options.search is not used.
    virtual Result<AskResult> answer(SearchResult found, const AskOptions& options,
                                     const OnPiece& on_piece) = 0;
};

// What can be done to a store without a model.
Result<std::vector<DocumentInfo>> list_documents(const std::string& store);
// The document's text as citations slice it (source bytes or extracted text), streamed.
Status read_document_text(const std::string& store, int64_t doc_id,
                          const std::function<bool(std::string_view)>& on_text);

// A unit with the white space in front of it. Where offsets count bytes of a source that is not
// UTF-8, byte_end - byte_begin is not the length of `text`.
struct UnitText {
    uint64_t byte_begin = 0, byte_end = 0;
    uint32_t line_begin = 0, line_end = 0, page = 0;  // as in Span
    std::string gap, text;
};
struct DocumentRange {
    DocumentInfo document;
    std::vector<UnitText> units;  // those that overlap the range, in order, whole
    bool cut = false;             // there are more than max_bytes of text; the rest is left out
};
// Part of a document's text, [byte_begin, byte_end) as citations count. kNotFound when the store
// has no such document.
Result<DocumentRange> read_document_range(const std::string& store, int64_t doc_id,
                                          uint64_t byte_begin, uint64_t byte_end,
                                          uint64_t max_bytes);
// A folder of this name inside a store is left alone: `s3attn serve` keeps uploaded files in it.
inline constexpr char kUploadsFolder[] = "uploads";

// By path or decimal id. kNotFound when the store has no such document.
Result<DocumentInfo> remove_document(const std::string& store, const std::string& path_or_id);

// Drops what an interrupted run left of the document at `path`; an earlier version of it that is
// complete stays. Nothing to drop is no error.
Status drop_interrupted(const std::string& store, const std::string& path);

struct VerifyReport {
    uint64_t documents = 0, units = 0, segments = 0, postings = 0, bytes = 0;
    std::vector<std::string> orphans_removed;  // files of an interrupted run
};
// Reads every byte. Fails with kCorrupt naming the first inconsistency.
Result<VerifyReport> verify_store(const std::string& store);

struct ExportReport {
    uint64_t documents = 0, units = 0, segments = 0;
    uint64_t bytes = 0;  // of the file
};
// The store as one file, a consistent state of it even while a writer goes on. Nothing of that name
// may exist; the file is there whole or not at all.
Result<ExportReport> export_store(const std::string& store, const std::string& file);
// Makes a store of such a file: every checksum is compared and the result verified as by
// verify_store() before it gets its name. kInvalidArgument when something named `store` exists;
// kCorrupt names the entry of the file that is wrong.
Result<VerifyReport> import_store(const std::string& file, const std::string& store);

struct MergeReport {
    uint64_t added = 0, replaced = 0, unchanged = 0;      // documents
    uint64_t tokens = 0;                                  // copied in this run
    uint64_t documents = 0, store_tokens = 0, bytes = 0;  // of the store after it
    bool cancelled = false;  // stopped by the CancelToken; committed work is kept
};
// Copies the documents of `stores` into `store` (made if absent). Shards of one run
// (IndexOptions::shards) give what that run would have given in one store: the same documents,
// ids, positions and search results; other stores are put one after the other. A document that is
// there already, unchanged, is passed over: a shard may come twice, and an interrupted merge is
// repeated. Of a path with several contents the store named last wins. kMismatch names the first
// field in which the stores differ; a store with an interrupted document is refused.
Result<MergeReport> merge_stores(const std::string& store, const std::vector<std::string>& stores,
                                 ProgressSink& sink, const CancelToken& cancel);

struct FeatureOccurrence {
    int64_t doc_id = 0;
    uint64_t position = 0;      // token position in the store
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
    std::string model;    // GGUF whose tokenizer names tokens; empty: they stay unnamed
};
// kMismatch when the model is not the one that the store was made with.
Result<InspectReport> inspect_store(const std::string& store, const InspectOptions& options);

}  // namespace s3attn
#pragma GCC visibility pop
