#include "train/sae_trainer.h"

#include <algorithm>
#include <cmath>

#include "train/rng.h"

namespace s3attn {
namespace {

constexpr uint32_t kRowBlock = 48;    // rows per forward task
constexpr uint32_t kPanelGroup = 32;  // panels of the encoder that stay in the cache with them
constexpr uint32_t kLatentBlock = 128;

}  // namespace

void SaeState::reset() {
    for (auto* moment : {&m_encoder, &v_encoder, &m_decoder, &v_decoder}) {
        moment->assign(weights.encoder.size(), 0.0f);
    }
    m_bias.assign(weights.latents, 0.0f);
    v_bias.assign(weights.latents, 0.0f);
    silent.assign(weights.latents, 0u);
}

std::vector<uint32_t> SaeState::dead(uint32_t after) const {
    std::vector<uint32_t> dead;
    for (uint32_t f = 0; f < silent.size(); ++f) {
        if (silent[f] > after) dead.push_back(f);
    }
    return dead;
}

AdamStep adam_step(float rate, uint64_t steps_done) {
    AdamStep adam;
    adam.rate = rate;
    adam.correction1 = static_cast<float>(1 - std::pow(adam.beta1, steps_done));
    adam.correction2 = static_cast<float>(1 - std::pow(adam.beta2, steps_done));
    return adam;
}

SaeTrainer::SaeTrainer(SaeWeights initial, const SaeOptions& options, ThreadPool& pool)
    : options_(options), pool_(pool) {
    state_.weights = std::move(initial);
    state_.reset();
    main_.k = std::min(options.k, weights_.latents);
    aux_.k = std::min({2 * options.k, 32u, weights_.latents});
}

void SaeTrainer::prepare(uint32_t rows, bool aux) {
    packed_.pack(weights_.encoder.data(), weights_.latents, weights_.d);
    padded_bias_.assign(packed_.padded(), -1e30f);  // columns that do not exist never fire
    std::copy(weights_.bias.begin(), weights_.bias.end(), padded_bias_.begin());
    for (Side* side : {&main_, &aux_}) {
        if (side == &aux_ && !aux) continue;
        side->index.assign(static_cast<size_t>(rows) * side->k, 0u);
        side->value.assign(static_cast<size_t>(rows) * side->k, 0.0f);
        side->count.assign(rows, 0u);
        side->residual.resize(static_cast<size_t>(rows) * weights_.d);
    }
}

void SaeTrainer::forward(const float* x, uint32_t rows, bool aux) {
    prepare(rows, aux);
    const uint32_t tasks = (rows + kRowBlock - 1) / kRowBlock;
    pool_.run(tasks, [&](uint32_t task) {
        forward_block(x, task * kRowBlock, std::min(rows, (task + 1) * kRowBlock), aux);
    });
    group(main_, rows);
    if (aux) group(aux_, rows);
}

void SaeTrainer::forward_block(const float* x, uint32_t begin, uint32_t end, bool aux) {
    const Kernels& kernel = kernels();
    const uint32_t n = end - begin, d = weights_.d;
    std::vector<float> product(static_cast<size_t>(n) * kPanelGroup * PackedColumns::kWidth);
    std::vector<float> gathered(aux ? dead_.size() : 0);
    std::vector<TopList> best(n), best_dead(aux ? n : 0);
    const auto list_of = [&](Side& side, uint32_t r) {
        const size_t at = static_cast<size_t>(begin + r) * side.k;
        return TopList{side.index.data() + at, side.value.data() + at, side.k, 0, 0.0f};
    };
    for (uint32_t r = 0; r < n; ++r) {
        best[r] = list_of(main_, r);
        if (aux) best_dead[r] = list_of(aux_, r);
    }
    size_t dead_begin = 0;
    for (uint32_t p = 0; p < packed_.panels(); p += kPanelGroup) {
        const uint32_t panels = std::min(kPanelGroup, packed_.panels() - p);
        const uint32_t first = p * PackedColumns::kWidth, width = panels * PackedColumns::kWidth;
        kernel.multiply(x + static_cast<size_t>(begin) * d, n, packed_, p, panels,
                        padded_bias_.data() + first, product.data());
        size_t dead_end = dead_begin;
        while (aux && dead_end < dead_.size() && dead_[dead_end] < first + width) ++dead_end;
        for (uint32_t r = 0; r < n; ++r) {
            const float* values = product.data() + static_cast<size_t>(r) * width;
            kernel.offer(values, width, first, best[r]);
            if (dead_end == dead_begin) continue;
            for (size_t i = dead_begin; i < dead_end; ++i) gathered[i] = values[dead_[i] - first];
            kernel.offer(gathered.data() + dead_begin, static_cast<uint32_t>(dead_end - dead_begin),
                         static_cast<uint32_t>(dead_begin), best_dead[r]);
        }
        dead_begin = dead_end;
    }
    for (uint32_t r = 0; r < n; ++r) {
        main_.count[begin + r] = best[r].count;
        reconstruct(x, begin + r, false);
        if (!aux) continue;
        aux_.count[begin + r] = best_dead[r].count;
        for (uint32_t i = 0; i < best_dead[r].count; ++i) {
            best_dead[r].index[i] = dead_[best_dead[r].index[i]];
        }
        reconstruct(x, begin + r, true);
    }
}

// The main pass leaves x - x^, the aux pass what the dead latents leave of that.
void SaeTrainer::reconstruct(const float* x, uint32_t row, bool aux) {
    Side& side = aux ? aux_ : main_;
    const uint32_t d = weights_.d;
    float* residual = side.residual.data() + static_cast<size_t>(row) * d;
    const float* target = (aux ? main_.residual.data() : x) + static_cast<size_t>(row) * d;
    std::copy_n(target, d, residual);
    for (uint32_t i = 0; i < side.count[row]; ++i) {
        const size_t at = static_cast<size_t>(row) * side.k + i;
        kernels().add_scaled(-side.value[at],
                             weights_.decoder.data() + static_cast<size_t>(side.index[at]) * d,
                             residual, d);
    }
}

// Counting sort of (row, value) by latent; rows stay ascending within a latent.
void SaeTrainer::group(Side& side, uint32_t rows) {
    side.start.assign(weights_.latents + 1, 0u);
    for (uint32_t r = 0; r < rows; ++r) {
        for (uint32_t i = 0; i < side.count[r]; ++i) {
            ++side.start[side.index[static_cast<size_t>(r) * side.k + i] + 1];
        }
    }
    for (uint32_t f = 0; f < weights_.latents; ++f) side.start[f + 1] += side.start[f];
    side.entries.resize(side.start[weights_.latents]);
    std::vector<uint32_t> next(side.start.begin(), side.start.end() - 1);
    for (uint32_t r = 0; r < rows; ++r) {
        for (uint32_t i = 0; i < side.count[r]; ++i) {
            const size_t at = static_cast<size_t>(r) * side.k + i;
            side.entries[next[side.index[at]]++] = {r, side.value[at]};
        }
    }
}

// loss = weight / rows * sum |residual|^2. With x^ = sum z_f d_f and z_f = e_f . x + b_f > 0:
// dL/dz_f = -2 r . d_f, dL/dd_f = -2 z_f r, dL/de_f = dL/dz_f x, dL/db_f = dL/dz_f.
bool SaeTrainer::add_gradient(const Side& side, float weight, const float* x, uint32_t rows,
                              uint32_t latent, float* encoder, float* decoder, float& bias) const {
    const uint32_t begin = side.start[latent], end = side.start[latent + 1], d = weights_.d;
    const float scale = -2.0f * weight / static_cast<float>(rows);
    const float* direction = weights_.decoder.data() + static_cast<size_t>(latent) * d;
    const Kernels& kernel = kernels();
    for (uint32_t e = begin; e < end; ++e) {
        const size_t at = static_cast<size_t>(side.entries[e].row) * d;
        const float* residual = side.residual.data() + at;
        const float slope = scale * kernel.dot(residual, direction, d);
        kernel.add_scaled(scale * side.entries[e].value, residual, decoder, d);
        kernel.add_scaled(slope, x + at, encoder, d);
        bias += slope;
    }
    return end > begin;
}

double SaeTrainer::gradients(const float* x, uint32_t rows, bool aux, SaeWeights& gradient) {
    dead_ = dead_latents();
    aux = aux && !dead_.empty();
    forward(x, rows, aux);
    gradient = SaeWeights{weights_.d, weights_.latents, {}, {}, {}};
    gradient.encoder.assign(weights_.encoder.size(), 0.0f);
    gradient.decoder.assign(weights_.decoder.size(), 0.0f);
    gradient.bias.assign(weights_.latents, 0.0f);
    double loss = 0;
    for (float r : main_.residual) loss += static_cast<double>(r) * r;
    for (uint32_t f = 0; f < weights_.latents; ++f) {
        float* encoder = gradient.encoder.data() + static_cast<size_t>(f) * weights_.d;
        float* decoder = gradient.decoder.data() + static_cast<size_t>(f) * weights_.d;
        add_gradient(main_, 1.0f, x, rows, f, encoder, decoder, gradient.bias[f]);
        if (aux) {
            add_gradient(aux_, options_.aux_weight, x, rows, f, encoder, decoder, gradient.bias[f]);
        }
    }
    return loss / rows;
}

void SaeTrainer::update(const float* x, uint32_t rows, bool aux, float rate) {
    const AdamStep adam = adam_step(rate, steps_done_);
    AdamStep bias_adam =
        adam;  // pre-activations of unit vectors are 1/sqrt(d) of standardised ones
    bias_adam.rate = rate / std::sqrt(static_cast<float>(weights_.d));
    const uint32_t d = weights_.d;
    const Kernels& kernel = kernels();
    const uint32_t tasks = (weights_.latents + kLatentBlock - 1) / kLatentBlock;
    pool_.run(tasks, [&](uint32_t task) {
        std::vector<float> encoder(d), decoder(d);
        const uint32_t end = std::min(weights_.latents, (task + 1) * kLatentBlock);
        for (uint32_t f = task * kLatentBlock; f < end; ++f) {
            std::fill(encoder.begin(), encoder.end(), 0.0f);
            std::fill(decoder.begin(), decoder.end(), 0.0f);
            float bias = 0;
            const bool fired =
                add_gradient(main_, 1.0f, x, rows, f, encoder.data(), decoder.data(), bias);
            if (aux) {
                add_gradient(aux_, options_.aux_weight, x, rows, f, encoder.data(), decoder.data(),
                             bias);
            }
            state_.silent[f] = fired ? 0 : state_.silent[f] + 1;
            const size_t at = static_cast<size_t>(f) * d;
            kernel.adam(encoder.data(), d, adam, weights_.encoder.data() + at,
                        state_.m_encoder.data() + at, state_.v_encoder.data() + at);
            kernel.adam(decoder.data(), d, adam, weights_.decoder.data() + at,
                        state_.m_decoder.data() + at, state_.v_decoder.data() + at);
            kernel.adam(&bias, 1, bias_adam, &weights_.bias[f], &state_.m_bias[f],
                        &state_.v_bias[f]);
            normalise(weights_.decoder.data() + at, d);
        }
    });
}

double SaeTrainer::step(const float* x, uint32_t rows, float rate) {
    ++steps_done_;
    dead_ = dead_latents();
    const bool aux = options_.aux_every > 0 && steps_done_ % options_.aux_every == 0 &&
                     dead_.size() * 100 > weights_.latents;
    forward(x, rows, aux);
    double loss = 0;
    for (size_t i = 0; i < static_cast<size_t>(rows) * weights_.d; ++i) {
        loss += static_cast<double>(main_.residual[i]) * main_.residual[i];
    }
    update(x, rows, aux, rate);
    return loss / rows;
}

uint32_t SaeTrainer::restart_dead(uint64_t seed) {
    return state_.restart_dead(options_.dead_after, main_.residual, seed);
}

uint32_t SaeState::restart_dead(uint32_t after, const std::vector<float>& residual, uint64_t seed) {
    const std::vector<uint32_t> latents = dead(after);
    const uint32_t d = weights.d;
    if (latents.empty() || residual.empty()) return 0;
    std::vector<double> sum;  // of squared residuals, row by row
    for (size_t at = 0; at < residual.size(); at += d) {
        const float* row = residual.data() + at;
        sum.push_back((sum.empty() ? 0 : sum.back()) + kernels().dot(row, row, d));
    }
    double length = 0;  // of an encoder row, on average over the living
    for (float w : weights.encoder) length += static_cast<double>(w) * w;
    length = std::sqrt(length / weights.latents);
    Rng rng(seed);
    for (uint32_t f : latents) {
        const auto row = std::lower_bound(sum.begin(), sum.end(), rng.uniform() * sum.back());
        const size_t from = static_cast<size_t>(row - sum.begin()) * d, to = size_t{f} * d;
        float* decoder = weights.decoder.data() + to;
        std::copy_n(residual.data() + from, d, decoder);
        if (!normalise(decoder, d)) continue;
        for (uint32_t i = 0; i < d; ++i) {
            weights.encoder[to + i] = static_cast<float>(length) * decoder[i];
        }
        for (auto* moment : {&m_encoder, &v_encoder, &m_decoder, &v_decoder}) {
            std::fill_n(moment->begin() + static_cast<ptrdiff_t>(to), d, 0.0f);
        }
        weights.bias[f] = m_bias[f] = v_bias[f] = 0;
        silent[f] = 0;
    }
    return static_cast<uint32_t>(latents.size());
}

SaeWeights initial_weights(const HalfRows& keys, const std::vector<float>& mean, size_t n_train,
                           const SaeOptions& options) {
    SaeWeights weights{keys.d(), options.latents, {}, {}, {}};
    const uint32_t d = keys.d();
    weights.decoder.resize(static_cast<size_t>(options.latents) * d);
    weights.bias.assign(options.latents, 0.0f);
    Rng rng(options.seed ^ 0x5ae0u);
    for (uint32_t f = 0; f < options.latents; ++f) {
        float* row = weights.decoder.data() + static_cast<size_t>(f) * d;
        do {
            read_unit(keys, rng.below(n_train), 1, mean, row);
            const double noise = 0.3 / std::sqrt(static_cast<double>(d));
            for (uint32_t i = 0; i < d; ++i) row[i] += static_cast<float>(noise * rng.normal());
        } while (!normalise(row, d));
    }
    // The k best of thousands of directions nearly agree, so a tied encoder would overshoot k-fold.
    weights.encoder = weights.decoder;
    for (float& w : weights.encoder) w *= options.encoder_scale;
    return weights;
}

}  // namespace s3attn
