// One scanner for many threads: a forward pass waits for the one before it, the rest of a caller's
// work does not.
#pragma once

#include <memory>
#include <mutex>

#include "model/language_model.h"

namespace s3attn {

class SharedScanner final : public Scanner {
  public:
    explicit SharedScanner(std::unique_ptr<Scanner> scanner) : scanner_(std::move(scanner)) {}

    const ModelInfo& info() const override { return scanner_->info(); }
    const Tokenizer& tokenizer() const override { return scanner_->tokenizer(); }
    uint32_t chunk_tokens() const override { return scanner_->chunk_tokens(); }
    uint32_t device_chunks() const override { return scanner_->device_chunks(); }
    // While it waits for its turn `cancel` ends the wait.
    Status capture(std::span<const int32_t> tokens, std::span<const uint32_t> layers,
                   Projection projection, const ProjectionSink& sink,
                   const CancelToken* cancel = nullptr) override;
    Status capture_on_device(std::span<const int32_t> tokens, std::span<const uint32_t> layers,
                             const ProjectionSink& sink) override;

  private:
    std::unique_ptr<Scanner> scanner_;
    std::timed_mutex mutex_;
};

}  // namespace s3attn
