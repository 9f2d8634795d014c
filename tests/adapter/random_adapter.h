// Random adapters for the tests of this folder.
#pragma once

#include <cmath>
#include <random>
#include <vector>

#include "adapter/adapter.h"
#include "adapter/codes.h"

namespace s3attn::test {

inline std::vector<float> gaussian(std::mt19937& rng, size_t n, float scale = 1.0f) {
    std::normal_distribution<float> normal(0.0f, scale);
    std::vector<float> values(n);
    for (float& value : values) value = normal(rng);
    return values;
}

// Encoder and decoder with the same random unit directions, small biases.
inline SparseAutoencoder random_sae(std::mt19937& rng, uint32_t d, uint32_t latents, uint32_t k) {
    SparseAutoencoder sae;
    sae.d_in = d;
    sae.latents = latents;
    sae.k = k;
    sae.w_dec = gaussian(rng, size_t{d} * latents);
    sae.w_enc.resize(sae.w_dec.size());
    for (uint32_t f = 0; f < latents; ++f) {
        double norm = 0;
        for (uint32_t i = 0; i < d; ++i) norm += std::pow(sae.w_dec[size_t{f} * d + i], 2);
        for (uint32_t i = 0; i < d; ++i) {
            float& value = sae.w_dec[size_t{f} * d + i];
            value /= static_cast<float>(std::sqrt(norm));
            sae.w_enc[size_t{i} * latents + f] = value;
        }
    }
    sae.b_enc = gaussian(rng, latents, 0.05f);
    sae.b_dec = gaussian(rng, d, 0.02f);
    return sae;
}

// Two slots and three heads; the last head has the query side left at its defaults.
inline Adapter random_adapter(uint32_t seed, uint32_t d = 64, uint32_t latents = 256,
                              uint32_t k = 8) {
    std::mt19937 rng(seed);
    Adapter a;
    a.model_name = "tiny";
    a.model_hash = "0123456789abcdef0123456789abcdef";
    a.model_identity = "00112233445566778899aabbccddeeff";
    a.tokenizer_hash = "fedcba9876543210fedcba9876543210";
    a.architecture = "llama";
    a.n_layer = 12;
    a.n_head = 6;
    a.n_head_kv = 2;
    a.d_head = d;
    a.latents = latents;
    a.k = k;
    a.evidence_floor = 0.125;
    a.training_record = R"({"corpus":"none","steps":3})";
    for (const auto& [layer, kv_head] : {std::pair{2u, 1u}, {5u, 0u}}) {
        KeySlot slot;
        slot.layer = layer;
        slot.kv_head = kv_head;
        slot.mean_key = gaussian(rng, d);
        slot.sae = random_sae(rng, d, latents, k);
        slot.mean_activation = gaussian(rng, latents);
        for (float& value : slot.mean_activation) value = std::abs(value);
        a.slots.push_back(std::move(slot));
    }
    const std::pair<uint32_t, uint32_t> heads[] = {{5, 1}, {2, 3}, {5, 0}};
    for (const auto& [layer, query_head] : heads) {
        QueryHead head;
        head.layer = layer;
        head.query_head = query_head;
        head.slot = layer == 5 ? 1 : 0;
        head.mean_query = gaussian(rng, d);
        head.mixture = a.heads.size() == 0 ? 0.5f : 0.25f;
        head.temperature = 12.5f;
        if (a.heads.size() < 2) {
            head.map = gaussian(rng, size_t{d} * d, 0.1f);
            head.bias = gaussian(rng, d, 0.1f);
            head.token_weight = gaussian(rng, d);
        }
        a.heads.push_back(std::move(head));
    }
    round_to_stored_precision(a);
    return a;
}

inline CodeBatch sized_batch(const Adapter& a, uint32_t n_tokens) {
    CodeBatch batch;
    batch.n_tokens = n_tokens;
    batch.n_slots = static_cast<uint32_t>(a.slots.size());
    batch.k = a.k;
    batch.feature.assign(size_t{n_tokens} * batch.n_slots * batch.k, 0xffff);
    batch.activation.assign(batch.feature.size(), 0xff);
    return batch;
}

}  // namespace s3attn::test
