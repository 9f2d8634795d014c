#include "retrieve/scan_cache.h"

namespace s3attn {

void ScanCache::clear() {
    for (auto& form : forms_) delete form.exchange(nullptr);
    means_.clear();
    bytes_ = 0;
}

void ScanCache::bind(const StoreReader& store) {
    const std::lock_guard lock(mutex_);
    if (segments_ == store.segments() && !forms_.empty()) return;
    clear();
    segments_ = store.segments();
    n_blocks_ = 0;
    for (const auto& segment : segments_) n_blocks_ += segment->n_blocks();
    forms_ = std::vector<std::atomic<const TokenForm*>>(store.shape().n_slots * n_blocks_);
}

void ScanCache::keep(uint32_t slot, size_t ordinal, const TokenForm& form) {
    const size_t size = sizeof(TokenForm) + form.entry.size() * sizeof form.entry[0] +
                        form.count.size() * sizeof form.count[0];
    if (bytes_.fetch_add(size) + size > max_bytes_) {
        bytes_ -= size;
        return;
    }
    // A copy has no spare capacity; the original's buffers go on being reused.
    auto copy = std::make_unique<const TokenForm>(form);
    const TokenForm* expected = nullptr;
    if (forms_[slot * n_blocks_ + ordinal].compare_exchange_strong(expected, copy.get(),
                                                                   std::memory_order_acq_rel)) {
        static_cast<void>(copy.release());
    } else {
        bytes_ -= size;  // another scorer was faster
    }
}

Result<const FeatureMeans*> ScanCache::feature_means(const StoreReader& store) {
    const std::lock_guard lock(mutex_);
    if (means_.empty()) {
        S3ATTN_TRY(means_, s3attn::feature_means(store));
    }
    return static_cast<const FeatureMeans*>(&means_);
}

}  // namespace s3attn
