// The scanning model and its adapter, loaded when first needed and shared by all methods of a run.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "adapter/adapter.h"
#include "eval/method.h"
#include "model/language_model.h"
#include "s3attn/engine.h"
#include "scan/open_scan.h"

namespace s3attn::eval {

class ScanModel {
  public:
    explicit ScanModel(EngineOptions options);

    // Header fields; no weights are read. Thread-safe, as all that follows.
    Result<ModelInfo> info();
    // The adapter that was named, or the shipped one that fits the model.
    Result<std::shared_ptr<const Adapter>> adapter();
    // The tokenizer alone, until the scanner is loaded.
    Result<uint32_t> count(std::string_view text);

    // Runs `use` with the scanner, which serves one caller at a time.
    Status with_scanner(const std::function<Status(Scanner&)>& use);
    // The same scanner for many threads: its forward passes wait for each other, the rest of a
    // caller's work does not. Owned by this.
    Result<Scanner*> shared_scanner();
    // Another one, of round_window() tokens, opened by the first call.
    Result<std::shared_ptr<Scanner>> wide_scanner();
    double load_seconds() const { return load_seconds_; }
    uint32_t chunk_tokens() const {
        return options_.chunk_tokens ? options_.chunk_tokens : kDefaultChunkTokens;
    }
    const EngineOptions& options() const { return options_; }

  private:
    Status need_info();
    Status need_adapter();
    Status need_scanner();

    EngineOptions options_;
    ScanRequest request_;
    std::recursive_mutex mutex_;
    std::shared_ptr<const ModelInfo> info_;
    std::shared_ptr<const Adapter> adapter_;
    std::unique_ptr<Tokenizer> tokenizer_;
    std::unique_ptr<Scanner> scanner_;  // a SharedScanner
    std::shared_ptr<Scanner> wide_;     // likewise
    double load_seconds_ = 0;
};

// Makes (or finishes) a store of the collection's codes below `index`, with `adapter`'s key side.
Result<IndexCost> build_code_store(ScanModel& model, const Adapter& adapter,
                                   const Collection& collection, const std::string& directory,
                                   const std::string& index, uint32_t memory_mib,
                                   ProgressSink& sink, const CancelToken& cancel);

// kMismatch unless both stores hold the same units, in the same order.
Status check_same_units(const StoreReader& a, const StoreReader& b, const std::string& directory);

}  // namespace s3attn::eval
