#include "train/coded_keys.h"

#include <algorithm>

#include "adapter/encoder.h"
#include "train/kernels.h"

namespace s3attn {

namespace {
constexpr size_t kKeyBlock = 4096;
}

HalfRows rebuild_keys(const Adapter& adapter, uint32_t slot, const HalfRows& keys,
                      uint32_t threads) {
    const uint32_t d = keys.d(), k = adapter.k;
    const uint32_t n_slots = static_cast<uint32_t>(adapter.slots.size());
    const SparseAutoencoder& sae = adapter.slots[slot].sae;
    KeyEncoder encoder(adapter, threads);
    HalfRows out(d);
    out.set_offset(std::vector<float>(d, 0.0f));
    out.reserve(keys.size());
    std::vector<float> rows(kKeyBlock * d), rebuilt(kKeyBlock * d);
    for (size_t at = 0; at < keys.size(); at += kKeyBlock) {
        const uint32_t n = static_cast<uint32_t>(std::min(kKeyBlock, keys.size() - at));
        keys.read(at, n, rows.data());
        CodeBatch batch;
        batch.n_tokens = n;
        batch.n_slots = n_slots;
        batch.k = k;
        batch.feature.assign(static_cast<size_t>(n) * n_slots * k, 0);
        batch.activation.assign(batch.feature.size(), 0);
        encoder.encode(slot, {rows.data(), n, d, d}, batch);
        std::fill(rebuilt.begin(), rebuilt.end(), 0.0f);
        for (uint32_t t = 0; t < n; ++t) {
            for (uint32_t i = 0; i < k; ++i) {
                const size_t entry = (static_cast<size_t>(t) * n_slots + slot) * k + i;
                if (batch.activation[entry] == 0) continue;
                kernels().add_scaled(
                    static_cast<float>(batch.activation[entry]) * adapter.activation_scale,
                    sae.w_dec.data() + static_cast<size_t>(batch.feature[entry]) * d,
                    rebuilt.data() + static_cast<size_t>(t) * d, d);
            }
        }
        out.append(rebuilt.data(), n, d);
    }
    return out;
}

HalfRows exact_keys(const std::vector<float>& mean, const HalfRows& keys) {
    const uint32_t d = keys.d();
    HalfRows out(d);
    out.set_offset(std::vector<float>(d, 0.0f));
    out.reserve(keys.size());
    std::vector<float> rows(kKeyBlock * d);
    for (size_t at = 0; at < keys.size(); at += kKeyBlock) {
        const uint32_t n = static_cast<uint32_t>(std::min(kKeyBlock, keys.size() - at));
        read_unit(keys, at, n, mean, rows.data());
        out.append(rows.data(), n, d);
    }
    return out;
}

float activation_scale_for(std::vector<float>& activations) {
    if (activations.empty()) return 1.0f / 255;
    const size_t at = std::min(activations.size() - 1, activations.size() * 999 / 1000);
    std::nth_element(activations.begin(), activations.begin() + static_cast<ptrdiff_t>(at),
                     activations.end());
    return std::max(activations[at], 1e-3f) / 255;
}

}  // namespace s3attn
