// Waiting for a mutex whose holder may take long: the wait ends soon after the token fires.
#pragma once

#include <chrono>
#include <mutex>

#include "s3attn/progress.h"
#include "s3attn/result.h"

namespace s3attn {

using CancellableLock = std::unique_lock<std::timed_mutex>;

// `cancel` null: waits as long as it takes. kCancelled only where there was something to wait for.
inline Result<CancellableLock> lock_unless(std::timed_mutex& mutex, const CancelToken* cancel) {
    constexpr auto kLookUp = std::chrono::milliseconds(20);
    CancellableLock lock(mutex, std::defer_lock);
    if (lock.try_lock()) return lock;
    while (!lock.try_lock_for(kLookUp)) {
        if (cancel != nullptr && cancel->cancelled()) {
            return make_error(ErrorCode::kCancelled, "interrupted");
        }
    }
    return lock;
}

}  // namespace s3attn
