#include "s3attn/engine.h"

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <optional>
#include <utility>

#include "answer/answer.h"
#include "answer/followup.h"
#include "base/guarded.h"
#include "base/timing.h"
#include "engine/chunk_coder.h"
#include "engine/context_rerank.h"
#include "engine/dense_voice.h"
#include "engine/device_monitor.h"
#include "engine/engine_parts.h"
#include "engine/fingerprint.h"
#include "engine/indexer.h"
#include "engine/searcher.h"
#include "engine/store_slot.h"
#include "retrieve/document_filter.h"
#include "s3attn/reason.h"
#include "s3attn/store.h"
#include "scan/open_scan.h"
#include "store/open_writer.h"
#include "store/sources.h"
#include "store/store.h"
#include "text/document_reader.h"

namespace s3attn {
namespace {

namespace fs = std::filesystem;
constexpr uint32_t kCommitTokens = 16384, kDeviceCommitTokens = 131072;

const char* name_of(Device device) {
    return device == Device::kCuda ? "cuda" : device == Device::kCpu ? "cpu" : "auto";
}

uint64_t size_of(const std::string& path) {
    std::error_code ignored;
    const auto size = fs::file_size(path, ignored);
    return ignored ? 0 : size;
}

// What a store was made with; empty where there is none yet.
Fingerprint fingerprint_of(const std::string& directory) {
    const auto reader = StoreReader::open(directory, nullptr);
    return reader.ok() ? (*reader)->fingerprint() : Fingerprint();
}

// The chunk size a store was made with, if there is such a store.
std::optional<uint32_t> chunk_tokens_of(const Fingerprint& store) {
    const auto found = store.fields.find("chunk_tokens");
    if (found == store.fields.end()) return std::nullopt;
    const long value = std::strtol(found->second.c_str(), nullptr, 10);
    if (value <= 0) return std::nullopt;
    return static_cast<uint32_t>(value);
}

// Codes of two quantisations in one store would make an index that depends on the order of runs.
Error refuse_other_quantisation(const std::string& store, const std::string& model) {
    return make_error(ErrorCode::kMismatch, reason::kStoreMismatch, "model_hash",
                      "store '" + store + "' was made with another quantisation than " + model +
                          ": this one can search it, not add to it; index with the file that made "
                          "it, or into a new store");
}

class EngineImpl final : public Engine {
  public:
    explicit EngineImpl(EngineParts parts)
        : parts_(std::move(parts)),
          fingerprint_(make_fingerprint(parts_.model, *parts_.adapter, kDefaultChunkTokens)) {}

    Result<IndexReport> index(Store& store, const std::vector<std::string>& inputs,
                              const IndexOptions& options, ProgressSink& sink,
                              const CancelToken& cancel) override {
        return guarded([&] { return index_now(store, inputs, options, sink, cancel); });
    }
    Result<SearchResult> search(const Store& store, const std::string& question,
                                const SearchOptions& options) override {
        return guarded([&] { return search_for(store, question, options, nullptr); });
    }
    Result<AskResult> ask(const Store& store, const std::string& question,
                          const AskOptions& options, const OnPiece& on_piece,
                          const OnEvidence& on_evidence) override {
        return guarded([&] { return ask_now(store, question, options, on_piece, on_evidence); });
    }
    Result<AskResult> answer(SearchResult found, const AskOptions& options,
                             const OnPiece& on_piece) override {
        return guarded([&]() -> Result<AskResult> {
            S3ATTN_TRY(const ReaderSlot::Held held, readers_.hold(options.cancel));
            return generate_answer(*held.reader, std::move(found), options, on_piece);
        });
    }

  private:
    Result<IndexReport> index_now(Store& store, const std::vector<std::string>& inputs,
                                  const IndexOptions& options, ProgressSink& sink,
                                  const CancelToken& cancel);
    Result<SearchResult> search_for(const Store& store, const std::string& question,
                                    const SearchOptions& options, const Reader* reader);
    // The voice "dense" where the method asks it; null where it does not.
    Result<std::unique_ptr<DenseVoice>> dense_voice(Snapshot& snapshot,
                                                    const SearchOptions& options,
                                                    std::vector<std::string>& notes);
    Result<AskResult> ask_now(const Store& store, const std::string& question,
                              const AskOptions& options, const OnPiece& on_piece,
                              const OnEvidence& on_evidence);
    Status need_coder(const std::shared_ptr<Scanner>& scanner, ProgressSink& sink);
    Status index_files(const std::vector<PlacedFile>& files, Indexer& indexer,
                       const CancelToken& cancel, IndexReport& report);
    Status finish_report(const std::string& store, double seconds, IndexReport& report) const;

    const EngineParts parts_;
    const Fingerprint fingerprint_;  // chunk size apart
    ScannerSlot scanners_{parts_};
    ScannerSlot wide_scanners_{parts_};  // of rounds that read the question in context
    ReaderSlot readers_{parts_};
    StageSlot stages_{parts_};
    EmbedderSlot embedder_{parts_.open_embedder};
    StoreSlot stores_;
    std::timed_mutex index_mutex_;
    std::shared_ptr<Scanner> coder_scanner_;  // of coder_
    std::unique_ptr<ChunkCoder> coder_;
};

Status EngineImpl::need_coder(const std::shared_ptr<Scanner>& scanner, ProgressSink& sink) {
    const bool device = parts_.device == Device::kCuda;
    if (coder_ && device && scanner == coder_scanner_) return {};  // its tables take a while
    coder_.reset();
    coder_scanner_ = scanner;
    if (device) {
        auto coder = make_device_coder(*scanner, *parts_.adapter);
        if (coder.ok()) {
            coder_ = std::move(*coder);
            return {};
        }
        if (coder.error().code != ErrorCode::kUnsupported) return coder.error();
        sink.note("keys are coded on the CPU, which is slower: " + coder.error().message);
    }
    coder_ = make_host_coder(*scanner, *parts_.adapter, parts_.threads);
    return {};
}

Status EngineImpl::index_files(const std::vector<PlacedFile>& files, Indexer& indexer,
                               const CancelToken& cancel, IndexReport& report) {
    uint64_t bytes_total = 0, bytes_before = 0;
    for (const auto& [file, place] : files) bytes_total += size_of(file.path);
    for (const auto& [file, place] : files) {
        if (cancel.cancelled()) return make_error(ErrorCode::kCancelled, "interrupted");
        if (!file.problem.empty()) {
            FileOutcome outcome;
            outcome.path = file.path;
            outcome.kind = FileOutcome::Kind::kSkipped;
            outcome.reason = file.problem;
            report.files.push_back(outcome);
            continue;
        }
        S3ATTN_TRY(FileOutcome outcome,
                   indexer.index_file(file.path, place, bytes_before, bytes_total));
        bytes_before += size_of(file.path);
        report.files.push_back(std::move(outcome));
    }
    return indexer.finish();
}

// After the files were read: a renamed one has its document by now.
Status find_gone(const Store& store, const std::vector<std::string>& inputs, bool prune,
                 StoreWriter& writer, IndexReport& report) {
    const auto is_folder_or_gone = [](const std::string& input) {
        std::error_code error;
        return input != "-" && !std::filesystem::is_regular_file(input, error);
    };
    if (std::none_of(inputs.begin(), inputs.end(), is_folder_or_gone)) return {};
    S3ATTN_TRY(const auto documents, store.list());
    report.gone = gone_documents(documents, inputs, store.directory());
    report.pruned = prune && !report.gone.empty();
    if (!prune) return {};
    for (const DocumentInfo& document : report.gone) {
        S3ATTN_TRY([[maybe_unused]] const DocumentInfo removed,
                   writer.remove_document(document.doc_id));
    }
    return {};
}

Result<IndexReport> EngineImpl::index_now(Store& store, const std::vector<std::string>& inputs,
                                          const IndexOptions& options, ProgressSink& sink,
                                          const CancelToken& cancel) {
    if (options.shards > 0 && options.shard > options.shards) {
        return make_error(ErrorCode::kInvalidArgument, "there is no shard " +
                                                           std::to_string(options.shard) + " of " +
                                                           std::to_string(options.shards));
    }
    S3ATTN_TRY(const CancellableLock one_at_a_time, lock_unless(index_mutex_, &cancel));
    uint32_t chunk = parts_.chunk_tokens;
    const Fingerprint made = fingerprint_of(store.directory());
    if (chunk == 0) chunk = chunk_tokens_of(made).value_or(kDefaultChunkTokens);
    if (is_other_quantisation(made, fingerprint_, *parts_.adapter)) {
        return refuse_other_quantisation(store.directory(), parts_.model.name);
    }
    InputList found = expand_inputs(inputs, options.recursive);
    const std::vector<PlacedFile> files =
        choose_shard(std::move(found.files), options.shard, options.shards);
    S3ATTN_TRY(const std::shared_ptr<Scanner> scanner, scanners_.get(chunk, &sink, &cancel));
    S3ATTN_CHECK(need_coder(scanner, sink));
    IndexOptions own = options;
    if (own.commit_tokens == 0) {
        own.commit_tokens = parts_.device == Device::kCuda ? kDeviceCommitTokens : kCommitTokens;
    }
    StoreShape shape;
    shape.n_slots = static_cast<uint32_t>(parts_.adapter->slots.size());
    shape.latents = parts_.adapter->latents;
    shape.k = parts_.adapter->k;
    S3ATTN_TRY(auto opened,
               HandleWriter::open(store, make_fingerprint(parts_.model, *parts_.adapter, chunk),
                                  shape, {uint64_t{options.memory_mib} << 20}, cancel));
    std::optional<HandleWriter> writer(std::move(opened));

    S3ATTN_TRY(const auto stored_embedder, (*writer)->embedder());
    const bool embed = options.embed || stored_embedder.has_value();
    if (embed) {  // said before anything is scanned
        S3ATTN_TRY(const EmbedderInfo info, embedder_.info(stored_embedder));
        S3ATTN_CHECK((*writer)->use_embedder(info));
    }
    const Stopwatch watch;
    IndexReport report;
    report.notes = std::move(found.notes);
    report.passed_over = std::move(found.passed_over);
    const auto before = coder_->timings_ms();
    DeviceMonitor monitor(parts_.device == Device::kCuda);
    Indexer indexer(*scanner, *coder_, **writer, own, sink, cancel);
    Status status = guarded([&]() -> Status {
        S3ATTN_CHECK(index_files(files, indexer, cancel, report));
        return find_gone(store, inputs, options.prune, **writer, report);
    });
    const double seconds = watch.seconds();
    monitor.stop();
    const Stopwatch embed_watch;
    if (status.ok() && embed) {
        status =
            guarded([&] { return embed_units(**writer, embedder_, sink, cancel, report.vectors); });
    }
    report.tokens = indexer.tokens_scanned();
    report.timings_ms = indexer.timings_ms();
    if (embed) report.timings_ms["embed"] = embed_watch.milliseconds();
    if (!status.ok()) coder_.reset();  // it may hold codes of what was given up
    for (const auto& [stage, ms] : before) report.timings_ms[stage] -= ms;
    report.device = name_of(parts_.device);
    report.scan_busy = report.timings_ms["scan"] / std::max(1e-3, seconds * 1e3);
    report.device_utilization = monitor.utilization();
    report.device_memory_bytes = monitor.most_memory();
    writer.reset();  // nothing is pending when the store is read back
    if (!status.ok() && status.error().code != ErrorCode::kCancelled) return status.error();
    report.cancelled = !status.ok();
    S3ATTN_CHECK(finish_report(store.directory(), seconds, report));
    return report;
}

Status EngineImpl::finish_report(const std::string& store, double seconds,
                                 IndexReport& report) const {
    report.seconds = seconds;
    report.tokens_per_s = seconds > 0 ? static_cast<double>(report.tokens) / seconds : 0;
    report.peak_rss_bytes = peak_rss_bytes();
    S3ATTN_TRY(const auto reader, StoreReader::open(store, nullptr));
    report.bytes = reader->bytes_on_disk();
    report.store_tokens = reader->live_tokens();
    if (report.store_tokens > 0) {
        report.bytes_per_token =
            static_cast<double>(report.bytes) / static_cast<double>(report.store_tokens);
    }
    return {};
}

Result<std::unique_ptr<DenseVoice>> EngineImpl::dense_voice(Snapshot& snapshot,
                                                            const SearchOptions& options,
                                                            std::vector<std::string>& notes) {
    S3ATTN_TRY(const Mix mix, mix_of(options, *parts_.adapter));
    const std::vector<std::string> voices = voices_of(mix);
    if (std::find(voices.begin(), voices.end(), "dense") == voices.end()) {
        return std::unique_ptr<DenseVoice>();
    }
    S3ATTN_TRY(const auto stored, snapshot.store->embedder());
    if (!stored) {
        return make_error(
            ErrorCode::kNotFound, reason::kNoVectors, "method",
            "the store has no vectors, which the method '" + options.method + "' asks for");
    }
    S3ATTN_TRY([[maybe_unused]] const EmbedderInfo info, embedder_.info(stored));
    std::call_once(snapshot.vectors_read, [&] { snapshot.vectors = snapshot.store->vectors(); });
    if (!snapshot.vectors.ok()) return snapshot.vectors.error();
    const std::vector<float>& scales = snapshot.vectors->scales;
    const auto without = std::count(scales.begin(), scales.end(), 0.0f);
    if (without > 0) {
        notes.push_back(std::to_string(without) + " of " + std::to_string(scales.size()) +
                        " passages have no vector yet; indexing again makes them");
    }
    return std::make_unique<DenseVoice>(embedder_, *snapshot.vectors);
}

// `reader`: in whose tokens the budget counts; null: the scanning model's.
Result<SearchResult> EngineImpl::search_for(const Store& store, const std::string& question,
                                            const SearchOptions& options, const Reader* reader) {
    S3ATTN_TRY(const std::shared_ptr<Snapshot> snapshot,
               stores_.get(store.directory(), fingerprint_, *parts_.adapter));
    S3ATTN_TRY(const std::shared_ptr<Scanner> scanner,
               scanners_.get(parts_.chunk_tokens, nullptr, options.cancel));
    const auto count = [&](std::string_view text) {
        return reader != nullptr ? reader->count(text) : scanner->tokenizer().count(text);
    };
    Searcher searcher{*scanner,       *parts_.adapter, *snapshot->store,
                      parts_.threads, count,           &snapshot->cache};
    searcher.cancel = options.cancel;
    searcher.wide_scanner = [&] {
        return wide_scanners_.get(round_window(parts_.model, scanner->chunk_tokens()), nullptr,
                                  options.cancel);
    };
    std::vector<std::string> notes;
    if (!snapshot->note.empty()) notes.push_back(snapshot->note);
    FilteredDocuments filtered;
    if (options.filter.any() || options.documents) {
        S3ATTN_TRY(filtered, filter_store(*snapshot->store, options, notes));
        searcher.filter = filtered.filter;
    }
    S3ATTN_TRY(const std::unique_ptr<DenseVoice> dense, dense_voice(*snapshot, options, notes));
    if (dense) searcher.more.push_back(dense.get());
    const RerankOptions how = options.rerank.value_or(parts_.rerank);
    RerankReport report;
    std::string why;
    std::optional<ContextRerank> rerank;
    if (how.mode != RerankOptions::Mode::kOff) {
        ContextStage* stage = stages_.get(why);
        rerank.emplace(how, stage, why, options.explain || options.attention, report);
        searcher.second_stage = &*rerank;
    }
    S3ATTN_TRY(SearchResult result, searcher.search(question, options));
    result.documents_searched = filtered.passed;
    result.documents_in_store = filtered.all;
    result.rerank = std::move(report);
    if (options.attention) add_context_attention(result);
    result.notes = std::move(notes);
    result.quote.in_context = result.quote.found && result.rerank.done;
    return result;
}

Result<AskResult> EngineImpl::ask_now(const Store& store, const std::string& question,
                                      const AskOptions& options, const OnPiece& on_piece,
                                      const OnEvidence& on_evidence) {
    // A wrong store is reported before a large reader is loaded.
    S3ATTN_TRY([[maybe_unused]] const auto checked,
               stores_.get(store.directory(), fingerprint_, *parts_.adapter));
    S3ATTN_TRY(const ReaderSlot::Held held, readers_.hold(options.cancel));
    const uint32_t window = held.reader->info().window_tokens;
    if (options.search.budget_tokens >= window) {
        return make_error(ErrorCode::kInvalidArgument, reason::kBudgetLarge, "budget",
                          "a budget of " + std::to_string(options.search.budget_tokens) +
                              " tokens does not fit the reader's window of " +
                              std::to_string(window) +
                              " tokens: take a smaller budget, or a reader with a larger window");
    }
    const Stopwatch watch;
    SearchOptions how = options.search;
    if (how.cancel == nullptr) how.cancel = options.cancel;
    how.quote = true;
    const std::string asked = retrieval_question(options.history, question);
    S3ATTN_TRY(SearchResult found, search_for(store, asked, how, held.reader));
    found.question = question;
    if (on_evidence) on_evidence(found);
    const double retrieval_ms = watch.milliseconds();
    S3ATTN_TRY(AskResult result,
               generate_answer(*held.reader, std::move(found), options, on_piece));
    result.retrieval_question = asked;
    result.ttft_ms += retrieval_ms;
    result.timings_ms["retrieve"] = retrieval_ms;
    result.timings_ms["total"] = watch.milliseconds();
    return result;
}

}  // namespace

std::unique_ptr<Engine> make_engine(EngineParts parts) {
    return std::make_unique<EngineImpl>(std::move(parts));
}

}  // namespace s3attn
