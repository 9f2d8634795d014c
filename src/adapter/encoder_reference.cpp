#include <algorithm>
#include <cmath>
#include <numeric>

#include "adapter/encoder.h"
#include "adapter/key_codes.h"

namespace s3attn {
namespace {

// Features with a positive pre-activation, the k largest, ties to the smaller index; ascending.
std::vector<uint32_t> k_largest(const std::vector<double>& values, uint32_t k) {
    std::vector<uint32_t> order(values.size());
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(),
                     [&](uint32_t a, uint32_t b) { return values[a] > values[b]; });
    std::vector<uint32_t> kept;
    for (const uint32_t f : order) {
        if (kept.size() < k && values[f] > 0) kept.push_back(f);
    }
    std::sort(kept.begin(), kept.end());
    return kept;
}

double reconstruction_norm(const SparseAutoencoder& sae, const std::vector<uint32_t>& features,
                           const std::vector<double>& activations) {
    double sum = 0;
    for (uint32_t i = 0; i < sae.d_in; ++i) {
        double value = 0;
        for (const uint32_t f : features) {
            value += activations[f] * double{sae.w_dec[size_t{f} * sae.d_in + i]};
        }
        sum += value * value;
    }
    return std::sqrt(sum);
}

}  // namespace

void encode_reference(const Adapter& adapter, uint32_t slot_index, const RowsView& rows,
                      CodeBatch& batch) {
    const KeySlot& slot = adapter.slots[slot_index];
    const SparseAutoencoder& sae = slot.sae;
    std::vector<double> x(sae.d_in), pre(sae.latents);
    for (uint32_t t = 0; t < rows.n_rows; ++t) {
        const size_t at = (size_t{t} * batch.n_slots + slot_index) * batch.k;
        std::fill_n(batch.feature.begin() + at, batch.k, uint16_t{0});
        std::fill_n(batch.activation.begin() + at, batch.k, uint8_t{0});
        if (!centre_and_normalise(rows.data + t * rows.stride, slot.mean_key.data(),
                                  sae.b_dec.data(), sae.d_in, x.data())) {
            continue;
        }
        for (uint32_t f = 0; f < sae.latents; ++f) {
            pre[f] = double{sae.b_enc[f]};
            for (uint32_t i = 0; i < sae.d_in; ++i) {
                pre[f] += x[i] * double{sae.w_enc[size_t{i} * sae.latents + f]};
            }
        }
        const std::vector<uint32_t> features = k_largest(pre, sae.k);
        const double norm = reconstruction_norm(sae, features, pre);
        if (!(norm > 0) || !std::isfinite(norm)) continue;
        for (size_t j = 0; j < features.size(); ++j) {
            batch.feature[at + j] = static_cast<uint16_t>(features[j]);
            batch.activation[at + j] =
                quantise_activation(pre[features[j]] / norm, double{adapter.activation_scale});
        }
    }
}

}  // namespace s3attn
