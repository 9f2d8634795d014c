#include "scan/shared_scanner.h"

#include "base/cancellable_lock.h"

namespace s3attn {

Status SharedScanner::capture(std::span<const int32_t> tokens, std::span<const uint32_t> layers,
                              Projection projection, const ProjectionSink& sink,
                              const CancelToken* cancel) {
    S3ATTN_TRY(const CancellableLock lock, lock_unless(mutex_, cancel));
    return scanner_->capture(tokens, layers, projection, sink, cancel);
}

Status SharedScanner::capture_on_device(std::span<const int32_t> tokens,
                                        std::span<const uint32_t> layers,
                                        const ProjectionSink& sink) {
    const std::lock_guard lock(mutex_);
    return scanner_->capture_on_device(tokens, layers, sink);
}

}  // namespace s3attn
