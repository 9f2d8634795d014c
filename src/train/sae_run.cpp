// The training run around SaeTrainer: batches, schedule, and what is measured afterwards.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "train/rng.h"
#include "train/sae_trainer.h"

namespace s3attn {
namespace {

float scheduled_rate(const SaeOptions& options, uint32_t step) {
    const double warm = std::min(1.0, (step + 1.0) / std::max(1u, options.warm_up));
    const double decay = options.decay_share * options.steps;
    const double late = decay > 0 ? std::min(1.0, (options.steps - step) / decay) : 1.0;
    return static_cast<float>(options.rate * warm * late);
}

struct Encoded {  // sums over the keys encoded
    std::vector<double> activation;
    std::vector<uint64_t> fired;
    std::vector<float> sample;  // stored activations, thinned
    double error = 0, energy = 0;
    std::vector<double> sum;
    size_t n = 0;
};

// Encodes rows [begin, end) as the index will: TopK of the ReLU, activations over the norm of the
// reconstruction.
class Measurer {
  public:
    Measurer(const SaeWeights& weights, uint32_t k, ThreadPool& pool)
        : weights_(weights), k_(std::min(k, weights.latents)), pool_(pool) {
        packed_.pack(weights.encoder.data(), weights.latents, weights.d);
        bias_.assign(packed_.padded(), -1e30f);
        std::copy(weights.bias.begin(), weights.bias.end(), bias_.begin());
    }

    Encoded run(const HalfRows& keys, const std::vector<float>& mean, size_t begin, size_t end,
                size_t sample_every) {
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

  private:
    Encoded empty() const {
        Encoded e;
        e.activation.assign(weights_.latents, 0.0);
        e.fired.assign(weights_.latents, 0);
        e.sum.assign(weights_.d, 0.0);
        return e;
    }

    static void add(const Encoded& part, Encoded& total) {
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

    void encode(const HalfRows& keys, const std::vector<float>& mean, size_t begin, size_t end,
                size_t sample_every, Encoded& out) {
        constexpr uint32_t kBlock = 24;
        const uint32_t d = weights_.d;
        std::vector<float> x(static_cast<size_t>(kBlock) * d), product(kBlock * packed_.padded());
        std::vector<uint32_t> index(k_);
        std::vector<float> value(k_), rebuilt(d);
        for (size_t at = begin; at < end; at += kBlock) {
            const uint32_t n = static_cast<uint32_t>(std::min<size_t>(kBlock, end - at));
            read_unit(keys, at, n, mean, x.data());
            kernels().multiply(x.data(), n, packed_, 0, packed_.panels(), bias_.data(),
                               product.data());
            for (uint32_t r = 0; r < n; ++r) {
                TopList list{index.data(), value.data(), k_, 0, 0.0f};
                kernels().offer(product.data() + static_cast<size_t>(r) * packed_.padded(),
                                packed_.padded(), 0, list);
                measure(x.data() + static_cast<size_t>(r) * d, list, (at + r) % sample_every == 0,
                        rebuilt, out);
            }
        }
    }

    void measure(const float* x, const TopList& list, bool sample, std::vector<float>& rebuilt,
                 Encoded& out) const {
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

    const SaeWeights& weights_;
    uint32_t k_;
    ThreadPool& pool_;
    PackedColumns packed_;
    std::vector<float> bias_;
};

SaeReport report_of(const Encoded& held_out) {
    SaeReport report;
    double mean_energy = 0;
    for (double s : held_out.sum) mean_energy += s * s / static_cast<double>(held_out.n);
    report.fvu = held_out.error / std::max(1e-12, held_out.energy - mean_energy);
    uint64_t dead = 0, densest = 0;
    for (uint64_t fired : held_out.fired) {
        dead += fired == 0;
        densest = std::max(densest, fired);
    }
    report.dead_share = static_cast<double>(dead) / static_cast<double>(held_out.fired.size());
    report.densest = static_cast<double>(densest) / static_cast<double>(held_out.n);
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

Result<TrainedSae> train_sae(const HalfRows& keys, const std::vector<float>& mean,
                             const SaeOptions& options, ThreadPool& pool,
                             const std::function<void(uint32_t, uint32_t)>& on_step,
                             const CancelToken& cancel) {
    const size_t held_out = std::min<size_t>(20000, keys.size() / 20);
    const size_t n_train = keys.size() - held_out;
    if (held_out == 0 || n_train < options.latents) {
        return make_error(ErrorCode::kInvalidArgument,
                          "too few keys for a dictionary of " + std::to_string(options.latents) +
                              " latents: " + std::to_string(keys.size()) +
                              " tokens captured; give a larger corpus or fewer latents");
    }
    SaeTrainer trainer(initial_weights(keys, mean, n_train, options), options, pool);
    Rng rng(options.seed);
    const uint32_t d = keys.d();
    std::vector<float> batch(static_cast<size_t>(options.batch) * d);
    std::vector<size_t> rows(options.batch);
    for (uint32_t step = 0; step < options.steps; ++step) {
        if (cancel.cancelled()) {
            return make_error(ErrorCode::kCancelled, "training was cancelled; nothing was saved");
        }
        for (size_t& row : rows) row = rng.below(n_train);
        constexpr uint32_t kTask = 512;
        pool.run((options.batch + kTask - 1) / kTask, [&](uint32_t task) {
            const uint32_t end = std::min(options.batch, (task + 1) * kTask);
            for (uint32_t r = task * kTask; r < end; ++r) {
                read_unit(keys, rows[r], 1, mean, batch.data() + static_cast<size_t>(r) * d);
            }
        });
        trainer.step(batch.data(), options.batch, scheduled_rate(options, step));
        if (on_step) on_step(step + 1, options.steps);
    }
    TrainedSae result;
    Measurer measurer(trainer.weights(), options.k, pool);
    result.report = report_of(measurer.run(keys, mean, n_train, keys.size(), 1));
    Encoded all = measurer.run(keys, mean, 0, n_train, std::max<size_t>(1, n_train / 20000));
    result.mean_activation.resize(options.latents);
    for (uint32_t f = 0; f < options.latents; ++f) {
        const uint64_t fired = all.fired[f];
        result.mean_activation[f] =
            fired ? static_cast<float>(all.activation[f] / static_cast<double>(fired)) : 0.0f;
    }
    result.activation_sample = std::move(all.sample);
    result.sae = to_adapter(trainer.weights(), options.k);
    return result;
}

}  // namespace s3attn
