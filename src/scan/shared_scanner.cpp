#include "scan/shared_scanner.h"

#include <chrono>

namespace s3attn {
namespace {

constexpr auto kLookUp = std::chrono::milliseconds(20);

}  // namespace

Status SharedScanner::capture(std::span<const int32_t> tokens, std::span<const uint32_t> layers,
                              Projection projection, const ProjectionSink& sink,
                              const CancelToken* cancel) {
    std::unique_lock lock(mutex_, std::defer_lock);
    while (!lock.try_lock_for(kLookUp)) {
        if (cancel != nullptr && cancel->cancelled()) {
            return make_error(ErrorCode::kCancelled, "interrupted");
        }
    }
    return scanner_->capture(tokens, layers, projection, sink, cancel);
}

Status SharedScanner::capture_on_device(std::span<const int32_t> tokens,
                                        std::span<const uint32_t> layers,
                                        const ProjectionSink& sink) {
    const std::lock_guard lock(mutex_);
    return scanner_->capture_on_device(tokens, layers, sink);
}

}  // namespace s3attn
