// Start here. Engine wires the stages together: index documents, search them, answer from them.
//
//   auto engine = Engine::open(options);                            // scanning model + adapter
//   auto store = Store::open("notes.s3", Store::Access::kCreate);
//   (*engine)->index(*store, {"book.md"}, {}, sink, token);          // once per document
//   (*engine)->ask(*store, "Who ...?", {}, print_piece, nullptr);    // as often as you like
//
// Threads: any number of threads may call one Engine. Searches run side by side, also beside
// index(): only the model's forward pass over each question waits for its turn. Of index() one call
// runs at a time, of ask() and answer() together one too; further ones wait. Every wait, loading
// included, ends soon after the call's CancelToken fires. Several processes may read a store while
// one writes it.
//
// Ownership: a Store is the caller's and need outlive only the call it is given to. Between calls
// the engine keeps the state of the store that was searched last, opened and partly decoded; the
// next search takes it up again, through whatever handle, unless the store has changed since.
//
// No call throws: memory or threads that run out are kExhausted.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "s3attn/index_report.h"
#include "s3attn/progress.h"
#include "s3attn/result.h"
#include "s3attn/store.h"
#include "s3attn/types.h"

#pragma GCC visibility push(default)  // the shared library hides all else
namespace s3attn {

// How a reader behind a server is talked to (EngineOptions::reader is a URL).
struct RemoteOptions {
    std::string key;  // sent as "Authorization: Bearer KEY"; never shown or logged
    uint32_t connect_seconds = 10;
    uint32_t idle_seconds = 120;    // most time without a byte from the server
    uint32_t retries = 3;           // of a request that it is too busy for (429, 503)
    uint32_t window_tokens = 8192;  // of a model whose server does not tell
    bool offline = false;           // refuse: nothing may leave this machine
};

struct EngineOptions {
    std::string model;    // GGUF that scans (and, without `reader`, answers)
    std::string adapter;  // adapter directory; empty: the one of `adapter_dirs` made for the model
    std::vector<std::string> adapter_dirs;  // searched for a matching adapter
    // What answers: a GGUF file, or "http(s)://HOST/v1#MODEL", a model behind a server that speaks
    // OpenAI's chat completions (the passages are sent there). Empty: `model`.
    std::string reader;
    RemoteOptions remote;       // of such a reader
    std::string cache_dir;      // scan copies are kept here; empty: no copy is made or used
    uint32_t threads = 0;       // 0: all cores this process may use
    uint32_t chunk_tokens = 0;  // tokens of one forward pass of the scan; 0: the store's, or 256
    Device device = Device::kAuto;  // kCuda fails where there is none
    uint32_t reader_context = 0;    // window of the reader in tokens; 0: up to 8192
    RerankOptions rerank;           // of every search
    std::string embedder;           // GGUF that makes the vectors of the voice "dense"; empty: none
    std::string rerank_model;       // GGUF of the second stage; empty: `reader`
                                    // where that is a file, or `model`
};

class Engine {
  public:
    // Reads the scanning model's header and its adapter. Weights are loaded when they are needed:
    // the scanning model's by the first search or index, the reader's by the first answer.
    // Fails with kMismatch when the adapter was made for another model, naming the field.
    static Result<std::unique_ptr<Engine>> open(const EngineOptions& options);
    virtual ~Engine() = default;

    // Scans `inputs` (files, directories, "-" for standard input) into the store, which was opened
    // with Access::kWrite or kCreate; other calls that write through `store` wait meanwhile. A file
    // that cannot be read is reported in the result and skipped; the others are indexed. An
    // unchanged document is skipped, a changed one replaced, an interrupted one resumed. Resident
    // memory does not depend on the inputs' size.
    virtual Result<IndexReport> index(Store& store, const std::vector<std::string>& inputs,
                                      const IndexOptions& options, ProgressSink& sink,
                                      const CancelToken& cancel) = 0;

    // Evidence for a question. An empty store and an empty question are kInvalidArgument.
    virtual Result<SearchResult> search(const Store& store, const std::string& question,
                                        const SearchOptions& options) = 0;

    // Called with each piece of the answer as it is generated (whole UTF-8 characters);
    // return false to stop.
    using OnPiece = std::function<bool(std::string_view)>;
    // Called once, after retrieval and before the first piece.
    using OnEvidence = std::function<void(const SearchResult&)>;

    // search(), then an answer from the evidence alone. With no evidence above the adapter's
    // calibrated floor the answer says so and the reader is not asked.
    virtual Result<AskResult> ask(const Store& store, const std::string& question,
                                  const AskOptions& options, const OnPiece& on_piece,
                                  const OnEvidence& on_evidence) = 0;

    // The second half of ask(): an answer to found.question from the evidence in `found`, which
    // may come from several searches. options.search is not used.
    virtual Result<AskResult> answer(SearchResult found, const AskOptions& options,
                                     const OnPiece& on_piece) = 0;
};

// Store::inspect(), and what the tokens are at which a feature fires, as `model` (a GGUF file)
// reads them. kMismatch when the model is not the one that the store was made with.
Result<InspectReport> inspect_tokens(const Store& store, const InspectOptions& options,
                                     const std::string& model);

}  // namespace s3attn
#pragma GCC visibility pop
