// Kernels of DeviceSaeTrainer that are not the encoder's. Vectors have D = 64, 128 or 256
// dimensions, padded with zeros, which stay zero.
#pragma once

#include <cstdint>

#include "train/kernels.h"

namespace s3attn::gpu {

// One pass (main, or AuxK over the dead latents): active latents per row, then grouped by latent.
struct SideView {
    int k = 0;
    const uint32_t* latent = nullptr;  // [rows][k]
    const float* value = nullptr;      // [rows][k]
    const uint32_t* count = nullptr;   // [rows]
    float* residual = nullptr;         // [rows][D]
    const uint32_t* entry = nullptr;   // row * k + i, grouped by latent, rows ascending
    const uint32_t* start = nullptr;   // [latents + 1]
    float weight = 1;                  // of the loss
};

__device__ inline double warp_add(double v) {
    for (int step = 16; step > 0; step /= 2) v += __shfl_xor_sync(~0u, v, step);
    return v;
}
__device__ inline float warp_add(float v) {
    for (int step = 16; step > 0; step /= 2) v += __shfl_xor_sync(~0u, v, step);
    return v;
}

// One warp a row: residual = target - reconstruction; loss (may be null) gets its squared norm.
template <int D>
__global__ void reconstruct(SideView side, const float* target, const float* decoder, int rows,
                            double* loss) {
    constexpr int kOwn = D / 32;
    const int row = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
    const int at = threadIdx.x % 32 * kOwn;
    if (row >= rows) return;
    float rest[kOwn];
#pragma unroll
    for (int i = 0; i < kOwn; ++i) rest[i] = target[size_t(row) * D + at + i];
    const uint32_t n = side.count[row];
    for (uint32_t j = 0; j < n; ++j) {
        const float value = side.value[size_t(row) * side.k + j];
        const float* from = decoder + size_t{side.latent[size_t(row) * side.k + j]} * D + at;
#pragma unroll
        for (int i = 0; i < kOwn; ++i) rest[i] -= value * from[i];
    }
    double squares = 0;
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
        side.residual[size_t(row) * D + at + i] = rest[i];
        squares += double{rest[i]} * double{rest[i]};
    }
    if (loss == nullptr) return;
    squares = warp_add(squares);
    if (threadIdx.x % 32 == 0) loss[row] = squares;
}

// Keys to sort entries by: their latent; `latents` for entries that are not there.
__global__ void entry_keys(SideView side, int rows, uint32_t latents, uint32_t* keys,
                           uint32_t* entries) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= rows * side.k) return;
    const bool real = static_cast<uint32_t>(i % side.k) < side.count[i / side.k];
    keys[i] = real ? side.latent[i] : latents;
    entries[i] = i;
}

// start[f] = first of the sorted keys that is not below f.
__global__ void find_starts(const uint32_t* keys, int n, uint32_t latents, uint32_t* start) {
    const uint32_t f = blockIdx.x * blockDim.x + threadIdx.x;
    if (f > latents) return;
    int low = 0, high = n;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (keys[middle] < f) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    start[f] = low;
}

// The dead latents' own indices in place of their places among the dead.
__global__ void rename_latents(uint32_t* latent, int n, const uint32_t* dead) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) latent[i] = dead[latent[i]];
}

template <int D>
__global__ void gather_latents(const float* encoder, const float* bias, const uint32_t* dead, int n,
                               float* out, float* out_bias) {
    const int row = blockIdx.x;
    if (row >= n) return;
    for (int i = threadIdx.x; i < D; i += blockDim.x) {
        out[size_t(row) * D + i] = encoder[size_t{dead[row]} * D + i];
    }
    if (threadIdx.x == 0) out_bias[row] = bias[dead[row]];
}

struct Parameters {
    float *encoder, *decoder, *bias;  // [latents][D], [latents]
    float *m_encoder, *v_encoder, *m_decoder, *v_decoder, *m_bias, *v_bias;
    uint32_t* silent;
};

__device__ inline void adam_one(float gradient, const AdamStep& step, float& parameter, float& m,
                                float& v) {
    m = step.beta1 * m + (1 - step.beta1) * gradient;
    v = step.beta2 * v + (1 - step.beta2) * gradient * gradient;
    parameter -= step.rate * (m / step.correction1) / (sqrtf(v / step.correction2) + step.epsilon);
}

// Adds what a latent's entries give (SaeTrainer::add_gradient); true when there are any.
template <int D>
__device__ inline bool add_gradient(const SideView& side, const float* x, int rows, uint32_t latent,
                                    const float (&direction)[D / 32], float (&encoder)[D / 32],
                                    float (&decoder)[D / 32], float& bias) {
    constexpr int kOwn = D / 32;
    const int at = threadIdx.x % 32 * kOwn;
    const float scale = -2.0f * side.weight / static_cast<float>(rows);
    const uint32_t begin = side.start[latent], end = side.start[latent + 1];
    for (uint32_t e = begin; e < end; ++e) {
        const uint32_t entry = side.entry[e];
        const size_t row = size_t{entry / side.k} * D + at;
        float residual[kOwn], dot = 0;
#pragma unroll
        for (int i = 0; i < kOwn; ++i) {
            residual[i] = side.residual[row + i];
            dot += residual[i] * direction[i];
        }
        const float slope = scale * warp_add(dot), value = scale * side.value[entry];
#pragma unroll
        for (int i = 0; i < kOwn; ++i) {
            decoder[i] += value * residual[i];
            encoder[i] += slope * x[row + i];
        }
        bias += slope;
    }
    return end > begin;
}

// One warp a latent: gradient, Adam, unit decoder. aux.k == 0: no AuxK in this step.
template <int D>
__global__ void update_latents(Parameters p, SideView main, SideView aux, const float* x, int rows,
                               uint32_t latents, AdamStep adam, float bias_rate) {
    constexpr int kOwn = D / 32;
    const uint32_t latent = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
    if (latent >= latents) return;
    const int lane = threadIdx.x % 32;
    const size_t at = size_t{latent} * D + lane * kOwn;
    float direction[kOwn], encoder[kOwn] = {}, decoder[kOwn] = {}, bias = 0;
#pragma unroll
    for (int i = 0; i < kOwn; ++i) direction[i] = p.decoder[at + i];
    const bool fired = add_gradient<D>(main, x, rows, latent, direction, encoder, decoder, bias);
    if (aux.k > 0) add_gradient<D>(aux, x, rows, latent, direction, encoder, decoder, bias);
    double squares = 0;
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
        adam_one(encoder[i], adam, p.encoder[at + i], p.m_encoder[at + i], p.v_encoder[at + i]);
        adam_one(decoder[i], adam, direction[i], p.m_decoder[at + i], p.v_decoder[at + i]);
        squares += double{direction[i]} * double{direction[i]};
    }
    squares = warp_add(squares);
    const bool real = squares > 1e-24 && isfinite(squares);
    const float scale = real ? static_cast<float>(1.0 / sqrt(squares)) : 0.0f;
#pragma unroll
    for (int i = 0; i < kOwn; ++i) p.decoder[at + i] = real ? direction[i] * scale : 0.0f;
    if (lane != 0) return;
    p.silent[latent] = fired ? 0 : p.silent[latent] + 1;
    AdamStep of_bias = adam;
    of_bias.rate = bias_rate;
    adam_one(bias, of_bias, p.bias[latent], p.m_bias[latent], p.v_bias[latent]);
}

}  // namespace s3attn::gpu
