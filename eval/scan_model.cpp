#include "eval/scan_model.h"

#include <algorithm>
#include <filesystem>

#include "base/timing.h"
#include "engine/chunk_coder.h"
#include "engine/fingerprint.h"
#include "engine/indexer.h"
#include "engine/searcher.h"
#include "eval/index_files.h"
#include "eval/run_record.h"
#include "model/llama_model.h"
#include "scan/shared_scanner.h"

namespace s3attn::eval {
namespace {

constexpr uint32_t kCommitTokens = 16384;  // a killed run goes on from the last commit point

}  // namespace

ScanModel::ScanModel(EngineOptions options)
    : options_(std::move(options)), request_{options_.model,        options_.adapter,
                                             options_.adapter_dirs, options_.cache_dir,
                                             options_.threads,      options_.device} {}

Status ScanModel::need_info() {
    if (info_) return {};
    S3ATTN_TRY(ModelInfo info, open_scan_info(request_));
    info_ = std::make_shared<const ModelInfo>(std::move(info));
    return {};
}

Status ScanModel::need_adapter() {
    if (adapter_) return {};
    S3ATTN_CHECK(need_info());
    S3ATTN_TRY(adapter_, open_scan_adapter(request_, *info_));
    return {};
}

Status ScanModel::need_scanner() {
    if (scanner_) return {};
    S3ATTN_CHECK(need_adapter());
    S3ATTN_TRY(request_.device, choose_scan_device(options_.device));
    options_.device = request_.device;
    const Stopwatch watch;
    S3ATTN_TRY(auto scanner, open_scanner(request_, adapter_->deepest_layer(), chunk_tokens()));
    scanner_ = std::make_unique<SharedScanner>(std::move(scanner));
    load_seconds_ += watch.seconds();
    return {};
}

Result<ModelInfo> ScanModel::info() {
    const std::lock_guard lock(mutex_);
    S3ATTN_CHECK(need_info());
    return *info_;
}

Result<std::shared_ptr<const Adapter>> ScanModel::adapter() {
    const std::lock_guard lock(mutex_);
    S3ATTN_CHECK(need_adapter());
    return adapter_;
}

Result<uint32_t> ScanModel::count(std::string_view text) {
    const std::lock_guard lock(mutex_);
    if (scanner_) return scanner_->tokenizer().count(text);
    if (!tokenizer_) {
        S3ATTN_CHECK(need_info());
        S3ATTN_TRY(tokenizer_, open_llama_tokenizer(options_.model));
    }
    return tokenizer_->count(text);
}

Status ScanModel::with_scanner(const std::function<Status(Scanner&)>& use) {
    const std::lock_guard lock(mutex_);
    S3ATTN_CHECK(need_scanner());
    return use(*scanner_);
}

Result<Scanner*> ScanModel::shared_scanner() {
    const std::lock_guard lock(mutex_);
    S3ATTN_CHECK(need_scanner());
    return scanner_.get();
}

Result<std::shared_ptr<Scanner>> ScanModel::wide_scanner() {
    const std::lock_guard lock(mutex_);
    if (!wide_) {
        S3ATTN_CHECK(need_scanner());
        S3ATTN_TRY(auto scanner, open_scanner(request_, adapter_->deepest_layer(),
                                              round_window(*info_, chunk_tokens())));
        wide_ = std::make_shared<SharedScanner>(std::move(scanner));
    }
    return wide_;
}

namespace {

Result<std::unique_ptr<ChunkCoder>> make_coder(Scanner& scanner, const ScanModel& model,
                                               const Adapter& adapter) {
    if (model.options().device == Device::kCuda) {
        auto coder = make_device_coder(scanner, adapter);
        if (coder.ok() || coder.error().code != ErrorCode::kUnsupported) return coder;
    }
    return make_host_coder(scanner, adapter, model.options().threads);
}

Status index_documents(Scanner& scanner, ScanModel& model, const Adapter& adapter,
                       const std::vector<std::string>& paths, const std::string& store,
                       uint32_t memory_mib, ProgressSink& sink, const CancelToken& cancel,
                       IndexCost& cost) {
    StoreShape shape;
    shape.n_slots = static_cast<uint32_t>(adapter.slots.size());
    shape.latents = adapter.latents;
    shape.k = adapter.k;
    const Fingerprint print = make_fingerprint(scanner.info(), adapter, model.chunk_tokens());
    S3ATTN_TRY(auto writer, StoreWriter::open(store, print, shape, {uint64_t{memory_mib} << 20}));
    uint64_t total = 0, before = 0;
    std::error_code ignored;
    for (const std::string& path : paths) total += std::filesystem::file_size(path, ignored);
    S3ATTN_TRY(const auto coder, make_coder(scanner, model, adapter));
    IndexOptions options;
    options.commit_tokens = kCommitTokens;
    const Stopwatch watch;
    Indexer indexer(scanner, *coder, *writer, options, sink, cancel);
    for (const std::string& path : paths) {
        if (cancel.cancelled()) return make_error(ErrorCode::kCancelled, "interrupted");
        S3ATTN_TRY(const FileOutcome outcome,
                   indexer.index_file(path, std::nullopt, before, total));
        (void)outcome;  // a document without text is skipped here as in the unit store
        before += std::filesystem::file_size(path, ignored);
    }
    S3ATTN_CHECK(indexer.finish());
    cost.tokens = indexer.tokens_scanned();
    cost.seconds = watch.seconds();
    for (const auto& [stage, ms] : indexer.timings_ms()) {
        if (stage == "scan") {
            cost.stages.scan += ms / 1e3;
        } else if (stage == "encode") {
            cost.stages.encode += ms / 1e3;
        } else {
            cost.stages.index_write += ms / 1e3;
        }
    }
    return {};
}

// Of a run that went on with an interrupted one: as if all had been read at this run's speed.
void scale_to(uint64_t tokens, IndexCost& cost) {
    const double factor =
        cost.tokens == 0 ? 1.0 : static_cast<double>(tokens) / static_cast<double>(cost.tokens);
    cost.tokens = tokens;
    cost.seconds *= factor;
    cost.stages.scan *= factor;
    cost.stages.encode *= factor;
    cost.stages.index_write *= factor;
}

}  // namespace

Result<IndexCost> build_code_store(ScanModel& model, const Adapter& adapter,
                                   const Collection& collection, const std::string& directory,
                                   const std::string& index, uint32_t memory_mib,
                                   ProgressSink& sink, const CancelToken& cancel) {
    if (auto cost = load_cost(index)) return *cost;
    S3ATTN_TRY(const auto paths, write_documents(collection, directory));
    IndexCost cost;
    S3ATTN_CHECK(model.with_scanner([&](Scanner& scanner) {
        return index_documents(scanner, model, adapter, paths, index, memory_mib, sink, cancel,
                               cost);
    }));
    cost.peak_rss_bytes = peak_memory_bytes();
    S3ATTN_TRY(const auto reader, StoreReader::open(index, nullptr));
    if (reader->live_tokens() != cost.tokens) scale_to(reader->live_tokens(), cost);
    for (const auto& segment : reader->segments()) cost.bytes += segment->bytes();
    S3ATTN_CHECK(save_cost(index, cost));
    return cost;
}

Status check_same_units(const StoreReader& a, const StoreReader& b, const std::string& directory) {
    const auto& left = a.live_units();
    const auto& right = b.live_units();
    bool same = left.size() == right.size();
    for (size_t i = 0; same && i < left.size(); ++i) {
        same = left[i].unit_id == right[i].unit_id && left[i].n_tokens == right[i].n_tokens;
    }
    if (same) return {};
    return make_error(ErrorCode::kMismatch,
                      directory + " was made of other units than the rest: remove it");
}

}  // namespace s3attn::eval
