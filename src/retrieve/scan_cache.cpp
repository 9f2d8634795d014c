#include "retrieve/scan_cache.h"

namespace s3attn {

void ScanCache::bind(const StoreReader& store) {
    if (segments_ == store.segments() && !forms_.empty()) return;
    forms_.clear();
    feature_means.clear();
    bytes_ = 0;
    segments_ = store.segments();
    n_blocks_ = 0;
    for (const auto& segment : segments_) n_blocks_ += segment->n_blocks();
    forms_.resize(store.shape().n_slots * n_blocks_);
}

void ScanCache::keep(uint32_t slot, size_t ordinal, const TokenForm& form) {
    const size_t size = sizeof(TokenForm) + form.entry.size() * sizeof form.entry[0] +
                        form.count.size() * sizeof form.count[0];
    if (bytes_.fetch_add(size) + size > max_bytes_) {
        bytes_ -= size;
        return;
    }
    // A copy has no spare capacity; the original's buffers go on being reused.
    forms_[slot * n_blocks_ + ordinal] = std::make_unique<const TokenForm>(form);
}

}  // namespace s3attn
