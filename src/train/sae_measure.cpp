#include "train/sae_measure.h"

#include <algorithm>
#include <cmath>

namespace s3attn {
namespace {

void add(const Encoded& part, Encoded& total) {
    for (size_t f = 0; f < total.activation.size(); ++f) {
        total.activation[f] += part.activation[f];
        total.fired[f] += part.fired[f];
    }
    for (size_t i = 0; i < total.sum.size(); ++i) total.sum[i] += part.sum[i];
    total.sample.insert(total.sample.end(), part.sample.begin(), part.sample.end());
    total.error += part.error;
    total.energy += part.energy;
    total.n += part.n;
}

std::vector<uint32_t> frequency_bins(const std::vector<uint64_t>& fired, size_t keys) {
    std::vector<uint32_t> bins(kFrequencyBins, 0u);
    for (uint64_t n : fired) {
        const double share =
            static_cast<double>(n) / static_cast<double>(std::max<size_t>(1, keys));
        const auto edge =
            std::lower_bound(std::begin(kFrequencyEdges), std::end(kFrequencyEdges), share);
        ++bins[static_cast<size_t>(edge - std::begin(kFrequencyEdges))];
    }
    return bins;
}

SaeReport report_of(const Encoded& held_out) {
    SaeReport report;
    report.fvu = unexplained(held_out);
    const auto densest = std::max_element(held_out.fired.begin(), held_out.fired.end());
    const auto dead = std::count(held_out.fired.begin(), held_out.fired.end(), 0u);
    report.dead_share = static_cast<double>(dead) / static_cast<double>(held_out.fired.size());
    report.densest = static_cast<double>(*densest) / static_cast<double>(held_out.n);
    report.densest_latent = static_cast<uint32_t>(densest - held_out.fired.begin());
    return report;
}

SparseAutoencoder to_adapter(const SaeWeights& weights, uint32_t k) {
    SparseAutoencoder sae;
    sae.d_in = weights.d;
    sae.latents = weights.latents;
    sae.k = k;
    sae.w_enc.resize(weights.encoder.size());
    for (uint32_t f = 0; f < weights.latents; ++f) {
        for (uint32_t i = 0; i < weights.d; ++i) {
            sae.w_enc[static_cast<size_t>(i) * weights.latents + f] =
                weights.encoder[static_cast<size_t>(f) * weights.d + i];
        }
    }
    sae.b_enc = weights.bias;
    sae.w_dec = weights.decoder;
    sae.b_dec.assign(weights.d, 0.0f);
    return sae;
}

}  // namespace

double unexplained(const Encoded& keys) {
    double mean_energy = 0;
    for (double s : keys.sum) mean_energy += s * s / static_cast<double>(keys.n);
    return keys.error / std::max(1e-12, keys.energy - mean_energy);
}

SaeWeights weights_of(const SparseAutoencoder& sae) {
    SaeWeights weights{sae.d_in, sae.latents, {}, sae.b_enc, sae.w_dec};
    weights.encoder.resize(sae.w_enc.size());
    for (uint32_t f = 0; f < sae.latents; ++f) {
        double shift = 0;
        for (uint32_t i = 0; i < sae.d_in; ++i) {
            const float w = sae.w_enc[static_cast<size_t>(i) * sae.latents + f];
            weights.encoder[static_cast<size_t>(f) * sae.d_in + i] = w;
            shift += static_cast<double>(w) * sae.b_dec[i];
        }
        weights.bias[f] -= static_cast<float>(shift);
    }
    return weights;
}

size_t training_rows(size_t keys) { return keys - std::min<size_t>(20000, keys / 20); }

double estimated_bytes(const std::vector<uint64_t>& fired, size_t keys) {
    constexpr double kBlock = 4096;                         // tokens of a block of postings
    double bits = 8.0 * static_cast<double>(fired.size());  // the counts
    for (uint64_t f : fired) {
        if (f == 0) continue;
        const double n = kBlock * static_cast<double>(f) / static_cast<double>(keys);
        const double low = std::clamp(std::floor(std::log2(kBlock / std::max(1.0, n))), 0.0, 12.0);
        const double high = std::min(1.0, n) * std::floor(4095 / std::exp2(low));
        bits += n * (8 + low + 1) + high;  // activation, position
    }
    return bits / 8 / kBlock;
}

Measurer::Measurer(const SaeWeights& weights, uint32_t k, ThreadPool& pool)
    : weights_(weights), k_(std::min(k, weights.latents)), pool_(pool) {
    packed_.pack(weights.encoder.data(), weights.latents, weights.d);
    bias_.assign(packed_.padded(), -1e30f);
    std::copy(weights.bias.begin(), weights.bias.end(), bias_.begin());
}

Encoded Measurer::run(const HalfRows& keys, const std::vector<float>& mean, size_t begin,
                      size_t end, size_t sample_every) {
    constexpr size_t kRows = 384;
    const uint32_t tasks = static_cast<uint32_t>((end - begin + kRows - 1) / kRows);
    std::vector<Encoded> parts(pool_.size());
    Encoded total = empty();
    // Rounds of one task per thread, added in order: the result does not depend on timing.
    for (uint32_t first = 0; first < tasks; first += pool_.size()) {
        const uint32_t n = std::min(pool_.size(), tasks - first);
        pool_.run(n, [&](uint32_t i) {
            parts[i] = empty();
            const size_t from = begin + static_cast<size_t>(first + i) * kRows;
            encode(keys, mean, from, std::min(end, from + kRows), sample_every, parts[i]);
        });
        for (uint32_t i = 0; i < n; ++i) add(parts[i], total);
    }
    return total;
}

Encoded Measurer::empty() const {
    Encoded e;
    e.activation.assign(weights_.latents, 0.0);
    e.fired.assign(weights_.latents, 0);
    e.sum.assign(weights_.d, 0.0);
    return e;
}

void Measurer::encode(const HalfRows& keys, const std::vector<float>& mean, size_t begin,
                      size_t end, size_t sample_every, Encoded& out) {
    constexpr uint32_t kBlock = 24;
    const uint32_t d = weights_.d;
    std::vector<float> x(static_cast<size_t>(kBlock) * d), product(kBlock * packed_.padded());
    std::vector<uint32_t> index(k_);
    std::vector<float> value(k_), rebuilt(d);
    for (size_t at = begin; at < end; at += kBlock) {
        const uint32_t n = static_cast<uint32_t>(std::min<size_t>(kBlock, end - at));
        read_unit(keys, at, n, mean, x.data());
        kernels().multiply(x.data(), n, packed_, 0, packed_.panels(), bias_.data(), product.data());
        for (uint32_t r = 0; r < n; ++r) {
            TopList list{index.data(), value.data(), k_, 0, 0.0f};
            kernels().offer(product.data() + static_cast<size_t>(r) * packed_.padded(),
                            packed_.padded(), 0, list);
            measure(x.data() + static_cast<size_t>(r) * d, list, (at + r) % sample_every == 0,
                    rebuilt, out);
        }
    }
}

void Measurer::measure(const float* x, const TopList& list, bool sample,
                       std::vector<float>& rebuilt, Encoded& out) const {
    const uint32_t d = weights_.d;
    std::fill(rebuilt.begin(), rebuilt.end(), 0.0f);
    for (uint32_t i = 0; i < list.count; ++i) {
        kernels().add_scaled(list.value[i],
                             weights_.decoder.data() + static_cast<size_t>(list.index[i]) * d,
                             rebuilt.data(), d);
    }
    double norm = 0;
    for (uint32_t i = 0; i < d; ++i) {
        const double delta = static_cast<double>(x[i]) - rebuilt[i];
        out.error += delta * delta;
        out.energy += static_cast<double>(x[i]) * x[i];
        out.sum[i] += x[i];
        norm += static_cast<double>(rebuilt[i]) * rebuilt[i];
    }
    ++out.n;
    norm = std::sqrt(norm);
    if (!(norm > 1e-6)) return;
    for (uint32_t i = 0; i < list.count; ++i) {
        const double stored = list.value[i] / norm;
        out.activation[list.index[i]] += stored;
        ++out.fired[list.index[i]];
        if (sample) out.sample.push_back(static_cast<float>(stored));
    }
}

TrainedSae measure_sae(const SaeWeights& weights, uint32_t k, const HalfRows& keys,
                       const std::vector<float>& mean, size_t n_train, ThreadPool& pool) {
    TrainedSae result;
    Measurer measurer(weights, k, pool);
    const Encoded held_out = measurer.run(keys, mean, n_train, keys.size(), 1);
    result.report = report_of(held_out);
    Encoded all = measurer.run(keys, mean, 0, n_train, std::max<size_t>(1, n_train / 20000));
    result.mean_activation.resize(weights.latents);
    for (uint32_t f = 0; f < weights.latents; ++f) {
        const uint64_t fired = all.fired[f];
        result.mean_activation[f] =
            fired ? static_cast<float>(all.activation[f] / static_cast<double>(fired)) : 0.0f;
        all.fired[f] += held_out.fired[f];
    }
    result.report.frequency = frequency_bins(all.fired, keys.size());
    result.report.bytes_per_token = estimated_bytes(all.fired, keys.size());
    result.activation_sample = std::move(all.sample);
    result.sae = to_adapter(weights, k);
    return result;
}

}  // namespace s3attn
