// Finds the k most active latents of centred unit rows, on the fastest path of this CPU.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "adapter/adapter.h"
#include "adapter/encoder.h"

namespace s3attn {

// Memory on a 64-byte boundary, zeroed; grows, never shrinks.
class AlignedBytes {
  public:
    template <class T>
    T* as(size_t n) {
        return static_cast<T*>(static_cast<void*>(grow(n * sizeof(T))));
    }
    template <class T>
    const T* as() const {
        return static_cast<const T*>(static_cast<const void*>(data_.get()));
    }

  private:
    struct Delete {
        void operator()(std::byte* data) const;
    };
    std::byte* grow(size_t bytes);
    size_t bytes_ = 0;
    std::unique_ptr<std::byte[], Delete> data_;
};

class KeySelector {
  public:
    virtual ~KeySelector() = default;
    // Buffers of one thread, kept between calls.
    struct Scratch {
        AlignedBytes rows, byte_rows, row_facts, approximate;
        std::vector<float> threshold;
        std::vector<uint64_t> keys;
    };
    // `x` holds n_rows rows of d values; a row whose first value is NaN is skipped. Leaves in
    // scratch.keys [n_rows][k] the positive activations as topk_key()s, descending, 0 after them.
    virtual void select(const float* x, uint32_t n_rows, Scratch& scratch) const = 0;
};

std::unique_ptr<KeySelector> make_key_selector(const SparseAutoencoder& sae, Simd simd);

}  // namespace s3attn
