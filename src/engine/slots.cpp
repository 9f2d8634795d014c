// What an engine keeps open between calls.
#include "engine/engine_parts.h"
#include "scan/open_scan.h"
#include "scan/shared_scanner.h"

namespace s3attn {
Result<std::shared_ptr<Scanner>> ScannerSlot::get(uint32_t chunk_tokens, ProgressSink* sink,
                                                  const CancelToken* cancel) {
    S3ATTN_TRY(const CancellableLock lock, lock_unless(mutex_, cancel));
    if (scanner_ && (chunk_tokens == 0 || scanner_->chunk_tokens() == chunk_tokens)) {
        return scanner_;
    }
    if (chunk_tokens == 0) chunk_tokens = kDefaultChunkTokens;
    S3ATTN_TRY(std::unique_ptr<Scanner> opened, parts_.open_scanner(chunk_tokens, sink, cancel));
    S3ATTN_CHECK(check_adapter(opened->info(), *parts_.adapter));
    scanner_ = std::make_shared<SharedScanner>(std::move(opened));
    return scanner_;
}

ContextStage* StageSlot::get(std::string& why) {
    const std::lock_guard lock(mutex_);
    if (!looked_) {
        looked_ = true;
        if (!parts_.open_stage) {
            why_ = "this engine was made without one";
        } else if (auto opened = parts_.open_stage(); opened.ok()) {
            stage_ = std::move(*opened);
        } else {
            why_ = opened.error().message;
        }
    }
    why = why_;
    return stage_.get();
}

Result<ReaderSlot::Held> ReaderSlot::hold(const CancelToken* cancel) {
    Held held;
    S3ATTN_TRY(held.lock, lock_unless(reader_mutex_, cancel));
    if (!reader_) {
        S3ATTN_TRY(reader_, parts_.open_reader(cancel));
    }
    held.reader = reader_.get();
    return held;
}

}  // namespace s3attn
