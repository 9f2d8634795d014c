// Second kernel of the device encoder: the candidates' activations in F32, the k largest of them,
// and what KeyEncoder makes of those (norm of the reconstruction, bytes, ascending features). One
// warp a row.
#pragma once

#include <cuda_fp16.h>

#include <cstdint>

#include "adapter/cuda_select.cuh"

namespace s3attn::gpu {

constexpr int kMaxDeviceActive = 64;  // k
constexpr int kFinishWarps = 8;
__host__ __device__ constexpr int candidate_room(int k) { return 2 * k + 16; }
constexpr int kMaxRoom = candidate_room(kMaxDeviceActive);

struct FinishArgs {
    const SlotTables* slots;
    const float* keys;
    size_t slot_rows;
    int n_slots, n_rows, latents, k;
    bool centre;
    const uint16_t* candidates;
    const uint16_t* counts;
    int room;
    // Codes: entry j of row r of launch slot s is ((r * row_slots) + first_slot + s) * k + j.
    uint16_t* feature;
    uint8_t* activation;
    float* norm;  // [n_rows][row_slots], of the reconstruction; 0: nothing stored
    int row_slots, first_slot;
    double activation_scale;
    // Instead of codes, the k largest activations, largest first: [n_slots][n_rows][k].
    uint32_t* raw_latent;
    float* raw_value;
    uint32_t* raw_count;  // [n_slots][n_rows]
};

__device__ inline double warp_sum(double v) {
    for (int step = 16; step > 0; step /= 2) v += __shfl_xor_sync(~0u, v, step);
    return v;
}

template <class W>
struct Weights;
template <>
struct Weights<__half> {
    static constexpr int kChunk = 8;
    __device__ static void load(const __half* p, float (&out)[8]) {
        const uint4 raw = __ldg(reinterpret_cast<const uint4*>(p));
        const uint32_t words[4] = {raw.x, raw.y, raw.z, raw.w};
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const float2 pair = __half22float2(*reinterpret_cast<const __half2*>(&words[i]));
            out[2 * i] = pair.x;
            out[2 * i + 1] = pair.y;
        }
    }
};
template <>
struct Weights<float> {
    static constexpr int kChunk = 4;
    __device__ static void load(const float* p, float (&out)[4]) {
        const float4 raw = __ldg(reinterpret_cast<const float4*>(p));
        out[0] = raw.x, out[1] = raw.y, out[2] = raw.z, out[3] = raw.w;
    }
};

// Larger activation first, then the smaller latent, as topk_key() in topk_kernel.h.
__device__ inline uint64_t pack_key(float activation, uint32_t latent) {
    return (uint64_t{__float_as_uint(activation)} << 32) | (0xffffffffu - latent);
}
__device__ inline uint32_t key_latent(uint64_t key) {
    return 0xffffffffu - static_cast<uint32_t>(key);
}
__device__ inline float key_activation(uint64_t key) {
    return __uint_as_float(static_cast<uint32_t>(key >> 32));
}

template <int D>
struct FinishShared {
    float x[D];                       // the row, centred and normalised
    uint64_t keys[kMaxRoom + 32];     // candidates
    uint64_t best[kMaxDeviceActive];  // selected
};

// False: the row has no direction.
template <int D>
__device__ inline bool load_unit_row(const float* row, const SlotTables& slot, bool centre,
                                     float* x) {
    constexpr int kOwn = D / 32;
    const int at = threadIdx.x % 32 * kOwn;
    double v[kOwn], sum = 0;
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
        v[i] = double{row[at + i]} - (centre ? double{slot.mean[at + i]} : 0.0);
        sum += v[i] * v[i];
    }
    sum = warp_sum(sum);
    if (centre && !(sum > 0 && isfinite(sum))) return false;
    const double scale = centre ? 1.0 / sqrt(sum) : 1.0;
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
        x[at + i] = static_cast<float>(v[i] * scale - (centre ? double{slot.offset[at + i]} : 0.0));
    }
    __syncwarp();
    return true;
}

// Pre-activation of a latent; four threads share the work and all get the sum.
template <int D, class W>
__device__ inline float activation_of(const SlotTables& slot, uint32_t latent, const float* x) {
    constexpr int kChunk = Weights<W>::kChunk;
    const W* w = static_cast<const W*>(slot.encoder) + size_t{latent} * D;
    float sum = 0;
#pragma unroll
    for (int i = 0; i < D / (4 * kChunk); ++i) {
        const int at = (4 * i + threadIdx.x % 4) * kChunk;
        float values[kChunk];
        Weights<W>::load(w + at, values);
#pragma unroll
        for (int j = 0; j < kChunk; ++j) sum += values[j] * x[at + j];
    }
    return quad_sum(sum) + __ldg(slot.bias + latent);
}

// The k largest of s.keys[0..n) to s.best, descending; how many there are.
template <class Shared>
__device__ inline int select_best(Shared& s, int n, int k) {
    const int lane = threadIdx.x % 32;
    int found = 0;
    for (int i = lane; i < n; i += 32) {
        const uint64_t own = s.keys[i];
        int rank = 0;
        for (int j = 0; j < n; ++j) rank += s.keys[j] > own ? 1 : 0;
        if (own != 0 && rank < k) {
            s.best[rank] = own;
            ++found;
        }
    }
    __syncwarp();
    return __reduce_add_sync(~0u, found);
}

// For rows with more near-ties than there is room for: every latent, 32 at a time, merged with the
// best so far.
template <int D, class W>
__device__ inline int select_from_all(const SlotTables& slot, int latents, int k,
                                      FinishShared<D>& s) {
    const int lane = threadIdx.x % 32;
    int best = 0;
    for (int begin = 0; begin < latents; begin += 32) {
        for (int i = lane; i < best; i += 32) s.keys[i] = s.best[i];
        for (int i = 0; i < 32; i += 8) {
            const int latent = begin + i + lane / 4;
            const bool real = latent < latents;
            const float value = activation_of<D, W>(slot, real ? latent : 0, s.x);
            if (lane % 4 == 0) {
                s.keys[best + i + lane / 4] = real && value > 0 ? pack_key(value, latent) : 0;
            }
        }
        __syncwarp();
        best = select_best(s, best + 32, k);
    }
    return best;
}

template <int D, class W>
__device__ inline double norm_of_reconstruction(const SlotTables& slot, const uint64_t* best,
                                                int n) {
    constexpr int kOwn = D / 32;
    const int at = threadIdx.x % 32 * kOwn;
    float sum[kOwn] = {};
    for (int j = 0; j < n; ++j) {
        const W* row = static_cast<const W*>(slot.decoder) + size_t{key_latent(best[j])} * D + at;
        const float activation = key_activation(best[j]);
#pragma unroll
        for (int i = 0; i < kOwn; ++i) sum[i] += activation * static_cast<float>(row[i]);
    }
    double squares = 0;
#pragma unroll
    for (int i = 0; i < kOwn; ++i) squares += double{sum[i]} * double{sum[i]};
    const double norm = sqrt(warp_sum(squares));
    return isfinite(norm) ? norm : 0;
}

__device__ inline void write_raw(const FinishArgs& args, size_t row, const uint64_t* best, int n) {
    const int lane = threadIdx.x % 32;
    for (int j = lane; j < args.k; j += 32) {
        args.raw_latent[row * args.k + j] = j < n ? key_latent(best[j]) : 0;
        args.raw_value[row * args.k + j] = j < n ? key_activation(best[j]) : 0;
    }
    if (lane == 0) args.raw_count[row] = n;
}

__device__ inline void write_codes(const FinishArgs& args, size_t row, const uint64_t* best, int n,
                                   double norm) {
    const int lane = threadIdx.x % 32;
    if (lane == 0) args.norm[row] = static_cast<float>(norm);
    if (!(norm > 0)) n = 0;
    for (int j = lane; j < args.k; j += 32) {
        if (j >= n) {
            args.feature[row * args.k + j] = 0;
            args.activation[row * args.k + j] = 0;
            continue;
        }
        const uint32_t latent = key_latent(best[j]);
        int at = 0;
        for (int i = 0; i < n; ++i) at += key_latent(best[i]) < latent ? 1 : 0;
        const double value = double{key_activation(best[j])} / norm / args.activation_scale;
        args.feature[row * args.k + at] = static_cast<uint16_t>(latent);
        args.activation[row * args.k + at] =
            static_cast<uint8_t>(fmin(fmax(value, 1.0), 255.0) + 0.5);
    }
}

template <int D, class W>
__global__ void __launch_bounds__(32 * kFinishWarps) finish_rows(FinishArgs args) {
    __shared__ FinishShared<D> shared[kFinishWarps];
    const int lane = threadIdx.x % 32, index = blockIdx.x * kFinishWarps + threadIdx.x / 32;
    if (index >= args.n_rows * args.n_slots) return;
    FinishShared<D>& s = shared[threadIdx.x / 32];
    const int slot_index = index / args.n_rows, r = index % args.n_rows;
    const SlotTables& slot = args.slots[slot_index];
    const float* row = args.keys + (slot_index * args.slot_rows + r) * D;
    const int count = args.counts[index];
    int n = 0;
    double norm = 0;
    if (count > 0 && load_unit_row<D>(row, slot, args.centre, s.x)) {
        if (count == kTooMany) {
            n = select_from_all<D, W>(slot, args.latents, args.k, s);
        } else {
            const uint16_t* candidates = args.candidates + size_t(index) * args.room;
            for (int i = 0; i < count; i += 8) {
                const int own = i + lane / 4;
                const uint32_t latent = candidates[min(own, count - 1)];
                const float value = activation_of<D, W>(slot, latent, s.x);
                if (lane % 4 == 0 && own < count) {
                    s.keys[own] = value > 0 ? pack_key(value, latent) : 0;
                }
            }
            __syncwarp();
            n = select_best(s, count, args.k);
        }
        if (args.raw_latent == nullptr) norm = norm_of_reconstruction<D, W>(slot, s.best, n);
    }
    if (args.raw_latent != nullptr) {
        write_raw(args, index, s.best, n);
    } else {
        write_codes(args, size_t(r) * args.row_slots + args.first_slot + slot_index, s.best, n,
                    norm);
    }
}

}  // namespace s3attn::gpu
