// The only thing that passes from the model side to the index: sparse codes of keys.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace s3attn {

// Codes of consecutive tokens. For token t and head slot g (a KV head of the adapter) the k active
// features are feature[(t * n_slots + g) * k + 0 .. k), ascending, distinct, with activations at
// the same index. Activation a stands for a * Adapter::activation_scale: the SAE activation divided
// by the norm of the key's reconstruction. Entries with activation 0 are padding (fewer than k
// active latents).
struct CodeBatch {
    uint32_t n_tokens = 0;
    uint32_t n_slots = 0;
    uint32_t k = 0;
    std::vector<uint16_t> feature;  // latent index, < Adapter::latents <= 65536
    std::vector<uint8_t> activation;

    void clear() {
        n_tokens = 0;
        feature.clear();
        activation.clear();
    }
};

// What the query side asks of the index. For question token i and query head j the score of a key
// with code z is sum_f weight(i, j, f) * z_f: the dot product of the mapped query and the
// reconstructed key.
struct QueryCodes {
    uint32_t n_tokens = 0;  // question tokens
    struct Head {
        uint32_t slot = 0;               // KV head slot whose codes it reads
        float temperature = 16.0f;       // T_j of the softmax over units
        float mixture = 1.0f;            // alpha_j, sums to 1 over heads
        std::vector<float> weight;       // [latents][n_tokens], per unit of *quantised* activation
        std::vector<float> token_share;  // [n_tokens] u_ij, sums to 1 over tokens
    };
    uint32_t latents = 0;
    std::vector<Head> heads;
};

}  // namespace s3attn
