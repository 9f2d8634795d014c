#include "adapter/encoder.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

#include "adapter/key_codes.h"
#include "adapter/key_selector.h"
#include "adapter/topk_kernel.h"
#include "base/parallel.h"

namespace s3attn {
namespace {

// Rows of one task: 24 KB at d_head 64, so that they and one tile of weights share the first-level
// cache while the weight matrix is read once per task. A multiple of every kernel's row tile.
constexpr uint32_t kMaxTaskRows = 96;
constexpr uint32_t kRowMultiple = 24;

// Buffers of one task, kept between calls.
struct Scratch {
    std::vector<double> row;
    std::vector<float> unit_rows, reconstruction;
    KeySelector::Scratch selector;
};

}  // namespace

struct KeyEncoder::Impl {
    const Adapter& adapter;
    ThreadPool pool;
    std::vector<std::unique_ptr<KeySelector>> selectors;  // per slot
    std::vector<Scratch> scratch;                         // per task

    Impl(const Adapter& a, uint32_t threads, Simd simd) : adapter(a), pool(threads) {
        for (const KeySlot& slot : adapter.slots) {
            selectors.push_back(make_key_selector(slot.sae, simd));
        }
    }

    // Calls each(row, keys, norm, scratch) for every row: its k candidates, and the norm of what
    // they reconstruct (0 when there is nothing to store).
    template <class Each>
    void for_rows(uint32_t slot_index, const RowsView& rows, const Each& each);
    void select_rows(const KeySlot& slot, const KeySelector& selector, const RowsView& rows,
                     uint32_t begin, uint32_t end, Scratch& s) const;
    void write_codes(uint64_t* keys, double norm, size_t at, CodeBatch& batch) const;
};

namespace {

double reconstruction_norm(const SparseAutoencoder& sae, const uint64_t* keys, Scratch& s) {
    std::fill(s.reconstruction.begin(), s.reconstruction.end(), 0.0f);
    float* sum = s.reconstruction.data();
    for (uint32_t j = 0; j < sae.k && keys[j] != 0; ++j) {
        const float* decoder = &sae.w_dec[size_t{topk_latent(keys[j])} * sae.d_in];
        const float activation = topk_activation(keys[j]);
        for (uint32_t i = 0; i < sae.d_in; ++i) sum[i] += activation * decoder[i];
    }
    const double norm = std::sqrt(sum_of_squares(sae.d_in, [&](uint32_t i) { return sum[i]; }));
    return std::isfinite(norm) ? norm : 0;
}

}  // namespace

void KeyEncoder::Impl::select_rows(const KeySlot& slot, const KeySelector& selector,
                                   const RowsView& rows, uint32_t begin, uint32_t end,
                                   Scratch& s) const {
    const uint32_t d = slot.sae.d_in;
    s.row.resize(d);
    s.reconstruction.resize(d);
    s.unit_rows.resize(size_t{end - begin} * d);
    for (uint32_t t = begin; t < end; ++t) {
        float* x = &s.unit_rows[size_t{t - begin} * d];
        if (centre_and_normalise(rows.data + t * rows.stride, slot.mean_key.data(),
                                 slot.sae.b_dec.data(), d, s.row.data())) {
            for (uint32_t i = 0; i < d; ++i) x[i] = static_cast<float>(s.row[i]);
        } else {
            x[0] = std::numeric_limits<float>::quiet_NaN();
        }
    }
    selector.select(s.unit_rows.data(), end - begin, s.selector);
}

template <class Each>
void KeyEncoder::Impl::for_rows(uint32_t slot_index, const RowsView& rows, const Each& each) {
    assert(slot_index < adapter.slots.size() && rows.d == adapter.d_head);
    if (rows.n_rows == 0) return;
    const KeySlot& slot = adapter.slots[slot_index];
    // As many equal tasks for every thread, of whole tiles.
    const uint32_t threads = pool.size();
    const uint32_t rounds = (rows.n_rows - 1) / (threads * kMaxTaskRows) + 1;
    const uint32_t share = (rows.n_rows - 1) / (rounds * threads) + 1;
    const uint32_t task_rows = (share - 1) / kRowMultiple * kRowMultiple + kRowMultiple;
    const uint32_t tasks = (rows.n_rows - 1) / task_rows + 1;
    if (scratch.size() < tasks) scratch.resize(tasks);
    pool.run(tasks, [&](uint32_t task) {
        Scratch& s = scratch[task];
        const uint32_t begin = task * task_rows, end = std::min(rows.n_rows, begin + task_rows);
        select_rows(slot, *selectors[slot_index], rows, begin, end, s);
        for (uint32_t t = begin; t < end; ++t) {
            uint64_t* keys = &s.selector.keys[size_t{t - begin} * slot.sae.k];
            each(t, keys, reconstruction_norm(slot.sae, keys, s));
        }
    });
}

// Activations over the norm of what they reconstruct, as bytes, in ascending order of features.
void KeyEncoder::Impl::write_codes(uint64_t* keys, double norm, size_t at, CodeBatch& batch) const {
    uint32_t active = 0;
    while (norm > 0 && active < batch.k && keys[active] != 0) ++active;
    std::sort(keys, keys + active,
              [](uint64_t a, uint64_t b) { return topk_latent(a) < topk_latent(b); });
    for (uint32_t j = 0; j < batch.k; ++j) {
        const bool real = j < active;
        batch.feature[at + j] = real ? static_cast<uint16_t>(topk_latent(keys[j])) : uint16_t{0};
        batch.activation[at + j] =
            real ? quantise_activation(double{topk_activation(keys[j])} / norm,
                                       double{adapter.activation_scale})
                 : uint8_t{0};
    }
}

KeyEncoder::KeyEncoder(const Adapter& adapter, uint32_t threads, Simd simd)
    : impl_(std::make_unique<Impl>(adapter, threads, simd)) {
    assert(simd_available(simd));
}

KeyEncoder::~KeyEncoder() = default;

void KeyEncoder::encode(uint32_t slot, const RowsView& rows, CodeBatch& batch) {
    assert(batch.n_slots == impl_->adapter.slots.size() && batch.k == impl_->adapter.k);
    assert(batch.n_tokens == rows.n_rows);
    assert(batch.feature.size() == size_t{batch.n_tokens} * batch.n_slots * batch.k);
    assert(batch.activation.size() == batch.feature.size());
    impl_->for_rows(slot, rows, [&](uint32_t t, uint64_t* keys, double norm) {
        impl_->write_codes(keys, norm, (size_t{t} * batch.n_slots + slot) * batch.k, batch);
    });
}

std::vector<float> KeyEncoder::activations(uint32_t slot, const RowsView& rows) {
    const uint32_t k = impl_->adapter.k;
    std::vector<float> values(size_t{rows.n_rows} * k, 0.0f);
    impl_->for_rows(slot, rows, [&](uint32_t t, const uint64_t* keys, double norm) {
        for (uint32_t j = 0; j < k && keys[j] != 0 && norm > 0; ++j) {
            values[size_t{t} * k + j] = static_cast<float>(topk_activation(keys[j]) / norm);
        }
    });
    return values;
}

float choose_activation_scale(std::vector<float> activations) {
    std::erase_if(activations, [](float a) { return !(a > 0) || !std::isfinite(a); });
    if (activations.empty()) return 1.0f / 200;
    // One in a thousand may clamp: rather a finer step for all than room for the few.
    const size_t at = (activations.size() - 1) * 999 / 1000;
    std::nth_element(activations.begin(), activations.begin() + static_cast<ptrdiff_t>(at),
                     activations.end());
    return activations[at] / 255;
}

}  // namespace s3attn
