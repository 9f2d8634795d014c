// The hot loop of key encoding: pre-activations of many rows and the k largest of each, fused.
//
// This header is included by translation units compiled for newer CPUs. So it holds plain structs
// and static functions only: an inline function or template compiled there could be the copy that
// the linker keeps for the whole program, and would then fault on an older CPU.
#pragma once

#include <bit>
#include <cstdint>

namespace s3attn {

constexpr uint32_t kTileRows = 6;      // rows of one register tile
constexpr uint32_t kTileLatents = 16;  // latents of one register tile

struct TopkArgs {
    const float* weights = nullptr;  // [groups][d][kTileLatents], 64-byte aligned
    const float* bias = nullptr;     // [groups][kTileLatents]; -infinity pads the last group
    uint32_t d = 0, groups = 0, k = 0;
    const float* rows = nullptr;  // [tiles][d][kTileRows]
    uint32_t tiles = 0;
    float* threshold = nullptr;  // [tiles * kTileRows]: 0, or +infinity for a row to skip
    uint64_t* keys = nullptr;    // [tiles * kTileRows][k], zeroed: out
};

using TopkKernel = void (*)(const TopkArgs&);

void topk_scalar(const TopkArgs& args);
#if defined(__x86_64__)
void topk_avx2(const TopkArgs& args);  // needs AVX2 and FMA
#endif

// A candidate as one number: larger activation first, then the smaller latent. Activations are
// positive, so their bits order like their values. 0 is no candidate.
static inline uint64_t topk_key(float activation, uint32_t latent) {
    return (static_cast<uint64_t>(std::bit_cast<uint32_t>(activation)) << 32) |
           (0xffffffffu - latent);
}
static inline uint32_t topk_latent(uint64_t key) {
    return 0xffffffffu - static_cast<uint32_t>(key & 0xffffffffu);
}
static inline float topk_activation(uint64_t key) {
    return std::bit_cast<float>(static_cast<uint32_t>(key >> 32));
}

// Puts a candidate above `threshold` into the row's descending list of k and returns the new
// threshold: what the next candidate has to exceed. Latents come in ascending order, so equal
// activations keep the smaller latent.
static inline float topk_insert(uint64_t* keys, uint32_t k, float activation, uint32_t latent) {
    const uint64_t key = topk_key(activation, latent);
    uint32_t at = k - 1;
    for (; at > 0 && keys[at - 1] < key; --at) keys[at] = keys[at - 1];
    keys[at] = key;
    return topk_activation(keys[k - 1]);
}

}  // namespace s3attn
