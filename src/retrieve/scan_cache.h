// Decoded blocks kept between questions: a warm store answers without reading its segments again.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "retrieve/feature_choice.h"
#include "retrieve/score_kernel.h"
#include "store/store.h"

namespace s3attn {

// Holds blocks until it is full and then no more, so that memory is bounded: a store too large for
// it reads the rest each time. Several scorers of one store may use it at once; those of another
// store must wait for them.
class ScanCache {
  public:
    static constexpr size_t kDefaultBytes = size_t{192} << 20;  // about a million tokens at k = 8
    explicit ScanCache(size_t max_bytes = kDefaultBytes) : max_bytes_(max_bytes) {}
    ~ScanCache() { clear(); }
    ScanCache(const ScanCache&) = delete;
    ScanCache& operator=(const ScanCache&) = delete;

    // Before a scan: forgets everything when the store's segments are not those of the last scan.
    void bind(const StoreReader& store);
    // `ordinal` counts the blocks of all segments in order. Null when it is not held.
    const TokenForm* find(uint32_t slot, size_t ordinal) const {
        return forms_[slot * n_blocks_ + ordinal].load(std::memory_order_acquire);
    }
    // Copies the form if there is room.
    void keep(uint32_t slot, size_t ordinal, const TokenForm& form);
    // Mean activations of the bound store's features, made once.
    Result<const FeatureMeans*> feature_means(const StoreReader& store);
    size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

  private:
    void clear();

    const size_t max_bytes_;
    std::atomic<size_t> bytes_{0};
    std::mutex mutex_;
    size_t n_blocks_ = 0;
    std::vector<std::shared_ptr<const Segment>> segments_;  // keeps their addresses taken
    std::vector<std::atomic<const TokenForm*>> forms_;      // [slot][ordinal]; owned
    FeatureMeans means_;
};

}  // namespace s3attn
