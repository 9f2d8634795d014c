#include "adapter/encoder.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <memory>
#include <new>

#include "adapter/key_codes.h"
#include "adapter/topk_kernel.h"
#include "base/parallel.h"

namespace s3attn {
namespace {

// Rows of one task: their tiles (24 KB at d_head 64) and one group of latents (4 KB) share the
// first-level cache, and the whole weight matrix is read once per task.
constexpr uint32_t kMaxTaskRows = 16 * kTileRows;

struct AlignedDelete {
    void operator()(float* data) const { ::operator delete[](data, std::align_val_t{64}); }
};
using AlignedFloats = std::unique_ptr<float[], AlignedDelete>;

AlignedFloats aligned_floats(size_t n) {
    auto* data = static_cast<float*>(::operator new[](n * sizeof(float), std::align_val_t{64}));
    std::fill_n(data, n, 0.0f);
    return AlignedFloats(data);
}

// W_enc and b_enc in the kernel's order.
struct PackedEncoder {
    uint32_t groups = 0;
    AlignedFloats weights, bias;
};

PackedEncoder pack(const SparseAutoencoder& sae) {
    PackedEncoder packed;
    packed.groups = (sae.latents + kTileLatents - 1) / kTileLatents;
    packed.weights = aligned_floats(size_t{packed.groups} * sae.d_in * kTileLatents);
    packed.bias = aligned_floats(size_t{packed.groups} * kTileLatents);
    for (uint32_t f = 0; f < packed.groups * kTileLatents; ++f) {
        const bool real = f < sae.latents;
        packed.bias[f] = real ? sae.b_enc[f] : -std::numeric_limits<float>::infinity();
        const size_t group = f / kTileLatents, lane = f % kTileLatents;
        for (uint32_t i = 0; real && i < sae.d_in; ++i) {
            packed.weights[(group * sae.d_in + i) * kTileLatents + lane] =
                sae.w_enc[size_t{i} * sae.latents + f];
        }
    }
    return packed;
}

TopkKernel kernel_for(Simd simd) {
#if defined(__x86_64__)
    if (simd != Simd::kScalar && simd_available(Simd::kAvx2)) return topk_avx2;
#endif
    return topk_scalar;
}

// Buffers of one task, kept between calls.
struct Scratch {
    std::vector<double> row;
    std::vector<float> tiles, threshold, reconstruction;
    std::vector<uint64_t> keys;
};

}  // namespace

bool simd_available(Simd simd) {
    if (simd == Simd::kBest || simd == Simd::kScalar) return true;
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

struct KeyEncoder::Impl {
    const Adapter& adapter;
    TopkKernel kernel;
    ThreadPool pool;
    std::vector<PackedEncoder> packed;  // per slot
    std::vector<Scratch> scratch;       // per task

    Impl(const Adapter& a, uint32_t threads, Simd simd)
        : adapter(a), kernel(kernel_for(simd)), pool(threads) {
        for (const KeySlot& slot : adapter.slots) packed.push_back(pack(slot.sae));
    }

    void encode_rows(uint32_t slot_index, const RowsView& rows, uint32_t begin, uint32_t end,
                     Scratch& s, CodeBatch& batch) const;
    void load_rows(const KeySlot& slot, const RowsView& rows, uint32_t begin, uint32_t end,
                   Scratch& s) const;
    void write_codes(const SparseAutoencoder& sae, uint64_t* keys, size_t at, Scratch& s,
                     CodeBatch& batch) const;
};

// Centred unit rows in the kernel's order. Rows without a direction, and the rows that fill up the
// last tile, get a threshold that nothing exceeds.
void KeyEncoder::Impl::load_rows(const KeySlot& slot, const RowsView& rows, uint32_t begin,
                                 uint32_t end, Scratch& s) const {
    const uint32_t d = slot.sae.d_in;
    const size_t tiles = (end - begin + kTileRows - 1) / kTileRows;
    s.row.resize(d);
    s.reconstruction.resize(d);
    s.tiles.assign(tiles * kTileRows * d, 0.0f);
    s.threshold.assign(tiles * kTileRows, std::numeric_limits<float>::infinity());
    s.keys.assign(tiles * kTileRows * slot.sae.k, 0);
    for (uint32_t t = begin; t < end; ++t) {
        if (!centre_and_normalise(rows.data + t * rows.stride, slot.mean_key.data(),
                                  slot.sae.b_dec.data(), d, s.row.data())) {
            continue;
        }
        const size_t r = t - begin;
        s.threshold[r] = 0;
        float* tile = &s.tiles[(r / kTileRows) * d * kTileRows + r % kTileRows];
        for (uint32_t i = 0; i < d; ++i) tile[size_t{i} * kTileRows] = static_cast<float>(s.row[i]);
    }
}

// Activations over the norm of what they reconstruct, as bytes, in ascending order of features.
void KeyEncoder::Impl::write_codes(const SparseAutoencoder& sae, uint64_t* keys, size_t at,
                                   Scratch& s, CodeBatch& batch) const {
    uint32_t active = 0;
    while (active < sae.k && keys[active] != 0) ++active;
    std::fill(s.reconstruction.begin(), s.reconstruction.end(), 0.0f);
    for (uint32_t j = 0; j < active; ++j) {
        const float* decoder = &sae.w_dec[size_t{topk_latent(keys[j])} * sae.d_in];
        const float activation = topk_activation(keys[j]);
        for (uint32_t i = 0; i < sae.d_in; ++i) s.reconstruction[i] += activation * decoder[i];
    }
    double sum = 0;
    for (const float value : s.reconstruction) sum += double{value} * value;
    const double norm = std::sqrt(sum);
    if (!(norm > 0) || !std::isfinite(norm)) active = 0;
    std::sort(keys, keys + active,
              [](uint64_t a, uint64_t b) { return topk_latent(a) < topk_latent(b); });
    for (uint32_t j = 0; j < sae.k; ++j) {
        const bool real = j < active;
        batch.feature[at + j] = real ? static_cast<uint16_t>(topk_latent(keys[j])) : uint16_t{0};
        batch.activation[at + j] =
            real ? quantise_activation(double{topk_activation(keys[j])} / norm,
                                       double{adapter.activation_scale})
                 : uint8_t{0};
    }
}

void KeyEncoder::Impl::encode_rows(uint32_t slot_index, const RowsView& rows, uint32_t begin,
                                   uint32_t end, Scratch& s, CodeBatch& batch) const {
    const KeySlot& slot = adapter.slots[slot_index];
    load_rows(slot, rows, begin, end, s);
    TopkArgs args;
    args.weights = packed[slot_index].weights.get();
    args.bias = packed[slot_index].bias.get();
    args.d = slot.sae.d_in;
    args.groups = packed[slot_index].groups;
    args.k = slot.sae.k;
    args.rows = s.tiles.data();
    args.tiles = static_cast<uint32_t>(s.threshold.size() / kTileRows);
    args.threshold = s.threshold.data();
    args.keys = s.keys.data();
    kernel(args);
    for (uint32_t t = begin; t < end; ++t) {
        write_codes(slot.sae, &s.keys[size_t{t - begin} * slot.sae.k],
                    (size_t{t} * batch.n_slots + slot_index) * batch.k, s, batch);
    }
}

KeyEncoder::KeyEncoder(const Adapter& adapter, uint32_t threads, Simd simd)
    : impl_(std::make_unique<Impl>(adapter, threads, simd)) {
    assert(validate_adapter(adapter).ok());
    assert(simd_available(simd));
}

KeyEncoder::~KeyEncoder() = default;

void KeyEncoder::encode(uint32_t slot, const RowsView& rows, CodeBatch& batch) {
    assert(slot < impl_->adapter.slots.size() && batch.n_slots == impl_->adapter.slots.size());
    assert(rows.d == impl_->adapter.d_head && batch.k == impl_->adapter.k);
    assert(batch.n_tokens == rows.n_rows);
    assert(batch.feature.size() == size_t{batch.n_tokens} * batch.n_slots * batch.k);
    assert(batch.activation.size() == batch.feature.size());
    if (rows.n_rows == 0) return;
    // As many equal tasks for every thread, of whole tiles.
    const uint32_t threads = impl_->pool.size();
    const uint32_t rounds = (rows.n_rows + threads * kMaxTaskRows - 1) / (threads * kMaxTaskRows);
    const uint32_t share = (rows.n_rows + rounds * threads - 1) / (rounds * threads);
    const uint32_t task_rows = (share + kTileRows - 1) / kTileRows * kTileRows;
    const uint32_t tasks = (rows.n_rows + task_rows - 1) / task_rows;
    if (impl_->scratch.size() < tasks) impl_->scratch.resize(tasks);
    impl_->pool.run(tasks, [&](uint32_t task) {
        const uint32_t begin = task * task_rows;
        const uint32_t end = std::min(rows.n_rows, begin + task_rows);
        impl_->encode_rows(slot, rows, begin, end, impl_->scratch[task], batch);
    });
}

}  // namespace s3attn
