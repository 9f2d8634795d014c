#include "s3attn/engine.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

#include "adapter/adapter.h"
#include "adapter/adapter_search.h"
#include "adapter/device_encoder.h"
#include "answer/answer.h"
#include "base/device_choice.h"
#include "base/timing.h"
#include "engine/chunk_coder.h"
#include "engine/device_monitor.h"
#include "engine/fingerprint.h"
#include "engine/indexer.h"
#include "engine/searcher.h"
#include "model/llama_model.h"
#include "s3attn/reason.h"
#include "store/store.h"
#include "text/document_reader.h"

namespace s3attn {
namespace {

namespace fs = std::filesystem;
constexpr uint32_t kDefaultChunkTokens = 256;
constexpr uint32_t kCommitTokens = 16384, kDeviceCommitTokens = 131072;

const char* name_of(Device device) {
    return device == Device::kCuda ? "cuda" : device == Device::kCpu ? "cpu" : "auto";
}

uint64_t size_of(const std::string& path) {
    std::error_code ignored;
    const auto size = fs::file_size(path, ignored);
    return ignored ? 0 : size;
}

// The chunk size a store was made with, if there is such a store.
std::optional<uint32_t> chunk_tokens_of(const std::string& directory) {
    auto reader = StoreReader::open(directory, nullptr);
    if (!reader.ok()) return std::nullopt;
    const auto& fields = (*reader)->fingerprint().fields;
    const auto found = fields.find("chunk_tokens");
    if (found == fields.end()) return std::nullopt;
    const long value = std::strtol(found->second.c_str(), nullptr, 10);
    if (value <= 0) return std::nullopt;
    return static_cast<uint32_t>(value);
}

// The reader that rests when a call ends.
struct RestLater {
    StoreReader& reader;
    ~RestLater() { reader.rest(); }
};

class EngineImpl final : public Engine {
  public:
    EngineImpl(EngineOptions options, ModelInfo model, Adapter adapter)
        : options_(std::move(options)), model_(std::move(model)), adapter_(std::move(adapter)) {}

    Result<IndexReport> index(const std::string& store, const std::vector<std::string>& inputs,
                              const IndexOptions& options, ProgressSink& sink,
                              const CancelToken& cancel) override;
    Result<SearchResult> search(const std::string& store, const std::string& question,
                                const SearchOptions& options) override;
    Result<AskResult> ask(const std::string& store, const std::string& question,
                          const AskOptions& options, const OnPiece& on_piece,
                          const OnEvidence& on_evidence) override;
    Result<AskResult> answer(SearchResult found, const AskOptions& options,
                             const OnPiece& on_piece) override;

  private:
    Status need_scanner(uint32_t chunk_tokens, ProgressSink* sink);
    Status need_coder(ProgressSink& sink);
    Status need_generator();
    Status need_store(const std::string& directory);
    Status index_files(const std::vector<PlacedFile>& files, Indexer& indexer,
                       const CancelToken& cancel, IndexReport& report);
    Status finish_report(const std::string& store, double seconds, IndexReport& report) const;

    EngineOptions options_;
    ModelInfo model_;
    Adapter adapter_;
    std::unique_ptr<Scanner> scanner_;
    std::unique_ptr<ChunkCoder> coder_;
    std::unique_ptr<Generator> generator_;
    // The store that was searched last stays open until it changes on disk.
    std::unique_ptr<StoreReader> reader_;
    std::string reader_directory_;
    ScanCache scan_cache_;  // of reader_
};

Status EngineImpl::need_scanner(uint32_t chunk_tokens, ProgressSink* sink) {
    if (scanner_ && scanner_->chunk_tokens() == chunk_tokens) return {};
    ScannerOptions options;
    options.model_path = options_.model;
    options.threads = options_.threads;
    options.chunk_tokens = chunk_tokens;
    options.deepest_layer = static_cast<int32_t>(adapter_.deepest_layer());
    options.cache_dir = options_.cache_dir;
    options.device = options_.device;
    coder_.reset();
    scanner_.reset();
    S3ATTN_TRY(scanner_, open_llama_scanner(options, sink));
    return check_adapter(scanner_->info(), adapter_);
}

Status EngineImpl::need_coder(ProgressSink& sink) {
    if (coder_ && options_.device == Device::kCuda) return {};  // its tables take a while to upload
    if (options_.device == Device::kCuda) {
        auto coder = make_device_coder(*scanner_, adapter_);
        if (coder.ok()) {
            coder_ = std::move(*coder);
            return {};
        }
        if (coder.error().code != ErrorCode::kUnsupported) return coder.error();
        sink.note("keys are coded on the CPU, which is slower: " + coder.error().message);
    }
    coder_ = make_host_coder(*scanner_, adapter_, options_.threads);
    return {};
}

Status EngineImpl::need_generator() {
    if (generator_) return {};
    GeneratorOptions options;
    options.model_path = options_.reader.empty() ? options_.model : options_.reader;
    options.threads = options_.threads;
    options.context_tokens = options_.reader_context;
    options.device = options_.device;
    S3ATTN_TRY(generator_, open_llama_generator(options));
    return {};
}

Status EngineImpl::need_store(const std::string& directory) {
    if (reader_ && reader_directory_ == directory) {
        const auto same = reader_->renew();
        if (same.ok() && *same) return {};
    }
    reader_.reset();
    S3ATTN_TRY(auto reader, StoreReader::open(directory, nullptr));
    S3ATTN_CHECK(check_searchable(
        reader->fingerprint(), make_fingerprint(model_, adapter_, kDefaultChunkTokens), directory));
    reader_ = std::move(reader);
    reader_directory_ = directory;
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

Result<IndexReport> EngineImpl::index(const std::string& store,
                                      const std::vector<std::string>& inputs,
                                      const IndexOptions& options, ProgressSink& sink,
                                      const CancelToken& cancel) {
    if (options.shards > 0 && options.shard > options.shards) {
        return make_error(ErrorCode::kInvalidArgument, "there is no shard " +
                                                           std::to_string(options.shard) + " of " +
                                                           std::to_string(options.shards));
    }
    uint32_t chunk = options_.chunk_tokens;
    if (chunk == 0) chunk = chunk_tokens_of(store).value_or(kDefaultChunkTokens);
    InputList found = expand_inputs(inputs, options.recursive);
    const std::vector<PlacedFile> files =
        choose_shard(std::move(found.files), options.shard, options.shards);
    S3ATTN_CHECK(need_scanner(chunk, &sink));
    S3ATTN_CHECK(need_coder(sink));
    IndexOptions own = options;
    if (own.commit_tokens == 0) {
        own.commit_tokens = options_.device == Device::kCuda ? kDeviceCommitTokens : kCommitTokens;
    }
    StoreShape shape;
    shape.n_slots = static_cast<uint32_t>(adapter_.slots.size());
    shape.latents = adapter_.latents;
    shape.k = adapter_.k;
    S3ATTN_TRY(auto writer, StoreWriter::open(store, make_fingerprint(model_, adapter_, chunk),
                                              shape, {uint64_t{options.memory_mib} << 20}));

    const Stopwatch watch;
    IndexReport report;
    report.notes = std::move(found.notes);
    report.passed_over = std::move(found.passed_over);
    const auto before = coder_->timings_ms();
    DeviceMonitor monitor(options_.device == Device::kCuda);
    Indexer indexer(*scanner_, *coder_, *writer, own, sink, cancel);
    const Status status = index_files(files, indexer, cancel, report);
    const double seconds = watch.seconds();
    monitor.stop();
    report.tokens = indexer.tokens_scanned();
    report.timings_ms = indexer.timings_ms();
    if (!status.ok()) coder_.reset();  // it may hold codes of what was given up
    for (const auto& [stage, ms] : before) report.timings_ms[stage] -= ms;
    report.device = name_of(options_.device);
    report.scan_busy = report.timings_ms["scan"] / std::max(1e-3, seconds * 1e3);
    report.device_utilization = monitor.utilization();
    report.device_memory_bytes = monitor.most_memory();
    writer.reset();  // lets go of the lock before the store is read back
    if (!status.ok() && status.error().code != ErrorCode::kCancelled) return status.error();
    report.cancelled = !status.ok();
    S3ATTN_CHECK(finish_report(store, seconds, report));
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

Result<SearchResult> EngineImpl::search(const std::string& store, const std::string& question,
                                        const SearchOptions& options) {
    S3ATTN_CHECK(need_store(store));
    const RestLater rest{*reader_};
    const uint32_t chunk = options_.chunk_tokens == 0 ? kDefaultChunkTokens : options_.chunk_tokens;
    if (!scanner_) S3ATTN_CHECK(need_scanner(chunk, nullptr));
    if (!options_.reader.empty()) S3ATTN_CHECK(need_generator());
    const Tokenizer& counter = generator_ ? generator_->tokenizer() : scanner_->tokenizer();
    const Searcher searcher{*scanner_,
                            adapter_,
                            *reader_,
                            options_.threads,
                            [&counter](std::string_view text) { return counter.count(text); },
                            &scan_cache_};
    return searcher.search(question, options);
}

Result<AskResult> EngineImpl::ask(const std::string& store, const std::string& question,
                                  const AskOptions& options, const OnPiece& on_piece,
                                  const OnEvidence& on_evidence) {
    S3ATTN_CHECK(need_store(store));  // a wrong store is reported before a large reader is loaded
    reader_->rest();
    S3ATTN_CHECK(need_generator());
    if (options.search.budget_tokens >= generator_->context_tokens()) {
        return make_error(ErrorCode::kInvalidArgument, reason::kBudgetLarge, "budget",
                          "a budget of " + std::to_string(options.search.budget_tokens) +
                              " tokens does not fit the reader's window of " +
                              std::to_string(generator_->context_tokens()) +
                              " tokens: take a smaller budget, or a reader with a larger window");
    }
    const Stopwatch watch;
    S3ATTN_TRY(SearchResult found, search(store, question, options.search));
    if (on_evidence) on_evidence(found);
    const double retrieval_ms = watch.milliseconds();
    S3ATTN_TRY(AskResult result, generate_answer(*generator_, std::move(found), options, on_piece));
    result.ttft_ms += retrieval_ms;
    result.timings_ms["retrieve"] = retrieval_ms;
    result.timings_ms["total"] = watch.milliseconds();
    return result;
}

Result<AskResult> EngineImpl::answer(SearchResult found, const AskOptions& options,
                                     const OnPiece& on_piece) {
    S3ATTN_CHECK(need_generator());
    return generate_answer(*generator_, std::move(found), options, on_piece);
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::open(const EngineOptions& options) {
    if (options.model.empty()) {
        return make_error(ErrorCode::kNotFound, reason::kNoModel, "model",
                          "no model that reads documents was named");
    }
    EngineOptions own = options;
    S3ATTN_TRY(own.device,
               choose_device(options.device, built_with_cuda(), cuda_status, llama_cuda_status));
    S3ATTN_TRY(ModelInfo model, read_model_info(options.model));
    std::string directory = options.adapter;
    if (directory.empty()) {
        S3ATTN_TRY(directory, find_adapter(options.adapter_dirs, model.file_hash));
    }
    S3ATTN_TRY(Adapter adapter, load_adapter(directory));
    S3ATTN_CHECK(check_adapter(model, adapter));
    return std::unique_ptr<Engine>(
        std::make_unique<EngineImpl>(std::move(own), std::move(model), std::move(adapter)));
}

}  // namespace s3attn
