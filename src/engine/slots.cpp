// What an engine keeps open between calls.
#include <chrono>

#include "engine/engine_parts.h"
#include "scan/open_scan.h"
#include "scan/shared_scanner.h"

namespace s3attn {
namespace {

constexpr auto kLookUp = std::chrono::milliseconds(20);

}  // namespace

Result<std::shared_ptr<Scanner>> ScannerSlot::get(uint32_t chunk_tokens, ProgressSink* sink,
                                                  const CancelToken* cancel) {
    const std::lock_guard lock(mutex_);
    if (scanner_ && (chunk_tokens == 0 || scanner_->chunk_tokens() == chunk_tokens)) {
        return scanner_;
    }
    if (chunk_tokens == 0) chunk_tokens = kDefaultChunkTokens;
    S3ATTN_TRY(std::unique_ptr<Scanner> opened, parts_.open_scanner(chunk_tokens, sink, cancel));
    S3ATTN_CHECK(check_adapter(opened->info(), *parts_.adapter));
    scanner_ = std::make_shared<SharedScanner>(std::move(opened));
    return scanner_;
}

Result<ReaderSlot::Held> ReaderSlot::hold(const CancelToken* cancel) {
    Held held{std::unique_lock(reader_mutex_, std::defer_lock), nullptr};
    while (!held.lock.try_lock_for(kLookUp)) {
        if (cancel != nullptr && cancel->cancelled()) {
            return make_error(ErrorCode::kCancelled, "interrupted");
        }
    }
    if (!reader_) {
        S3ATTN_TRY(reader_, parts_.open_reader(cancel));
    }
    held.reader = reader_.get();
    return held;
}

Result<uint32_t> ReaderSlot::count(const Tokenizer& scanner, std::string_view text) {
    const std::lock_guard lock(counter_mutex_);
    if (!counter_opened_ && parts_.open_counter) {
        S3ATTN_TRY(counter_, parts_.open_counter());
    }
    counter_opened_ = true;
    return counter_ ? counter_->count(text) : scanner.count(text);
}

}  // namespace s3attn
