#include <algorithm>
#include <cmath>

#include "train/query_trainer.h"

namespace s3attn {
namespace {

constexpr double kTiny = 1e-9;  // keeps the logarithm finite

// One head's forward state for a batch; rows are the batch's question tokens.
struct HeadState {
    std::vector<float> raw, mapped, length;  // unit(q - mean); unit(Mx + b); |Mx + b|
    PackedColumns columns;
    std::vector<float> best;       // [units][padded]
    std::vector<uint32_t> where;   // [units][padded], row within the unit
    std::vector<float> share;      // [rows]
    std::vector<float> attention;  // [units][rows], softmax over units
};

class Loss {
  public:
    Loss(const RetrievalSet& set, std::span<const QueryHeadParams> params,
         const ContrastiveBatch& batch, ThreadPool& pool)
        : set_(set),
          params_(params),
          batch_(batch),
          pool_(pool),
          d_(set.d),
          mixture_(mixture_of(params)),
          states_(params.size()) {
        for (uint32_t q : batch.questions) {
            const uint32_t first = rows_.empty() ? 0 : rows_.back().end;
            rows_.push_back({first, first + set.questions[q].size()});
        }
    }

    double forward() {
        read_keys();
        for (uint32_t j = 0; j < states_.size(); ++j) prepare(j);
        const uint32_t n_units = static_cast<uint32_t>(batch_.units.size());
        pool_.run(static_cast<uint32_t>(states_.size()) * n_units, [&](uint32_t task) {
            const uint32_t j = task / n_units, p = task % n_units;
            HeadState& state = states_[j];
            const size_t at = static_cast<size_t>(p) * state.columns.padded();
            const TokenSpan span = unit_rows_[p];
            kernels().maxima(
                keys_[set_.heads[j].slot].data() + static_cast<size_t>(span.begin) * d_,
                span.size(), state.columns, state.best.data() + at, state.where.data() + at);
        });
        pool_.run(static_cast<uint32_t>(states_.size()), [&](uint32_t j) { attend(j); });
        gold_.assign(rows_.size(), 0.0);
        double loss = 0;
        for (size_t q = 0; q < rows_.size(); ++q) {
            for (uint32_t j = 0; j < states_.size(); ++j) {
                gold_[q] += mixture_[j] * gold_share(j, q);
            }
            loss -= std::log(gold_[q] + kTiny);
        }
        return loss / static_cast<double>(rows_.size());
    }

    void backward(std::vector<QueryHeadParams>& gradient) {
        gradient.resize(params_.size());
        std::vector<double> slope(params_.size(), 0.0);  // dL / d alpha_j
        pool_.run(static_cast<uint32_t>(params_.size()), [&](uint32_t j) {
            QueryHeadParams& g = gradient[j];
            g.map.assign(static_cast<size_t>(d_) * d_, 0.0f);
            g.bias.assign(d_, 0.0f);
            g.token_weight.assign(d_, 0.0f);
            double temperature = 0;
            for (size_t q = 0; q < rows_.size(); ++q) {
                slope[j] += gold_share(j, q) * outer(q);
                back_question(j, q, g, temperature);
            }
            g.log_temperature =
                static_cast<float>(temperature * std::exp(params_[j].log_temperature));
        });
        double mean = 0;
        for (size_t j = 0; j < slope.size(); ++j) mean += mixture_[j] * slope[j];
        for (size_t j = 0; j < slope.size(); ++j) {
            gradient[j].mixture_logit = static_cast<float>(mixture_[j] * (slope[j] - mean));
        }
    }

  private:
    void read_keys() {
        for (uint32_t p : batch_.units) {
            const uint32_t first = unit_rows_.empty() ? 0 : unit_rows_.back().end;
            unit_rows_.push_back({first, first + set_.units[p].size()});
        }
        keys_.resize(set_.keys.size());
        for (size_t slot = 0; slot < keys_.size(); ++slot) {
            keys_[slot].resize(static_cast<size_t>(unit_rows_.back().end) * d_);
            for (size_t p = 0; p < batch_.units.size(); ++p) {
                const TokenSpan from = set_.units[batch_.units[p]];
                set_.keys[slot].read(
                    from.begin, from.size(),
                    keys_[slot].data() + static_cast<size_t>(unit_rows_[p].begin) * d_);
            }
        }
    }

    void prepare(uint32_t j) {
        HeadState& state = states_[j];
        const size_t n = rows_.back().end;
        state.raw.resize(n * d_);
        state.mapped.resize(n * d_);
        state.length.resize(n);
        state.share.resize(n);
        for (size_t q = 0; q < rows_.size(); ++q) {
            const TokenSpan from = set_.questions[batch_.questions[q]];
            float* raw = state.raw.data() + static_cast<size_t>(rows_[q].begin) * d_;
            std::copy_n(set_.heads[j].queries.data() + static_cast<size_t>(from.begin) * d_,
                        static_cast<size_t>(from.size()) * d_, raw);
            token_shares(params_[j], d_, raw, from.size(), state.share.data() + rows_[q].begin);
        }
        for (size_t t = 0; t < n; ++t) {
            float* y = state.mapped.data() + t * d_;
            for (uint32_t i = 0; i < d_; ++i) {
                y[i] = params_[j].bias[i] +
                       kernels().dot(params_[j].map.data() + static_cast<size_t>(i) * d_,
                                     state.raw.data() + t * d_, d_);
            }
            state.length[t] = std::sqrt(kernels().dot(y, y, d_));
            normalise(y, d_);
        }
        state.columns.pack(state.mapped.data(), static_cast<uint32_t>(n), d_);
        state.best.resize(batch_.units.size() * state.columns.padded());
        state.where.resize(state.best.size());
    }

    void attend(uint32_t j) {
        HeadState& state = states_[j];
        const size_t n = rows_.back().end, stride = state.columns.padded();
        const size_t n_units = batch_.units.size();
        const float temperature = std::exp(params_[j].log_temperature);
        std::vector<float> top(n, -1e30f), sum(n, 0.0f);
        for (size_t p = 0; p < n_units; ++p) {
            for (size_t t = 0; t < n; ++t) top[t] = std::max(top[t], state.best[p * stride + t]);
        }
        state.attention.resize(n_units * n);
        for (size_t p = 0; p < n_units; ++p) {
            for (size_t t = 0; t < n; ++t) {
                const float a = std::exp(temperature * (state.best[p * stride + t] - top[t]));
                state.attention[p * n + t] = a;
                sum[t] += a;
            }
        }
        for (size_t p = 0; p < n_units; ++p) {
            for (size_t t = 0; t < n; ++t) state.attention[p * n + t] /= sum[t];
        }
    }

    // sum_i u_ij a_ij(gold)
    double gold_share(uint32_t j, size_t q) const {
        const HeadState& state = states_[j];
        const float* gold =
            state.attention.data() + static_cast<size_t>(batch_.gold_at[q]) * rows_.back().end;
        double sum = 0;
        for (uint32_t t = rows_[q].begin; t < rows_[q].end; ++t) sum += state.share[t] * gold[t];
        return sum;
    }

    double outer(size_t q) const {  // dL / d(probability of the gold paragraph)
        return -1.0 / ((gold_[q] + kTiny) * static_cast<double>(rows_.size()));
    }

    void back_question(uint32_t j, size_t q, QueryHeadParams& g, double& temperature) const {
        const HeadState& state = states_[j];
        const size_t n = rows_.back().end;
        const double scale = outer(q) * mixture_[j], mean_share = gold_share(j, q);
        const float* gold = state.attention.data() + static_cast<size_t>(batch_.gold_at[q]) * n;
        for (uint32_t t = rows_[q].begin; t < rows_[q].end; ++t) {
            // Token share: softmax, so the slope is relative to the mean.
            const double share_slope = scale * state.share[t] * (gold[t] - mean_share);
            kernels().add_scaled(static_cast<float>(share_slope),
                                 state.raw.data() + static_cast<size_t>(t) * d_,
                                 g.token_weight.data(), d_);
            back_token(j, q, t, scale * state.share[t] * gold[t], g, temperature);
        }
    }

    // `scale`: dL / d log a_it(gold). d log a(gold) / d s_p = T (1[p = gold] - a_p).
    void back_token(uint32_t j, size_t q, uint32_t t, double scale, QueryHeadParams& g,
                    double& temperature) const {
        const HeadState& state = states_[j];
        const size_t n = rows_.back().end, stride = state.columns.padded();
        const float t_j = std::exp(params_[j].log_temperature);
        const float* keys = keys_[set_.heads[j].slot].data();
        std::vector<float> slope(d_, 0.0f);  // dL / d q^
        for (size_t p = 0; p < batch_.units.size(); ++p) {
            const double delta = (p == batch_.gold_at[q] ? 1.0 : 0.0) - state.attention[p * n + t];
            temperature += scale * delta * state.best[p * stride + t];
            const uint32_t row = unit_rows_[p].begin + state.where[p * stride + t];
            kernels().add_scaled(static_cast<float>(scale * delta * t_j),
                                 keys + static_cast<size_t>(row) * d_, slope.data(), d_);
        }
        if (!(state.length[t] > 1e-12f)) return;
        // Through the normalisation, then into M and b.
        const float* unit = state.mapped.data() + static_cast<size_t>(t) * d_;
        const float along = kernels().dot(slope.data(), unit, d_);
        const float* raw = state.raw.data() + static_cast<size_t>(t) * d_;
        for (uint32_t i = 0; i < d_; ++i) {
            const float y = (slope[i] - along * unit[i]) / state.length[t];
            g.bias[i] += y;
            kernels().add_scaled(y, raw, g.map.data() + static_cast<size_t>(i) * d_, d_);
        }
    }

    const RetrievalSet& set_;
    std::span<const QueryHeadParams> params_;
    const ContrastiveBatch& batch_;
    ThreadPool& pool_;
    uint32_t d_;
    std::vector<float> mixture_;
    std::vector<HeadState> states_;
    std::vector<TokenSpan> rows_, unit_rows_;  // question tokens, key rows of the batch
    std::vector<std::vector<float>> keys_;     // per slot
    std::vector<double> gold_;
};

}  // namespace

double contrastive_loss(const RetrievalSet& set, std::span<const QueryHeadParams> params,
                        const ContrastiveBatch& batch, double regulariser, ThreadPool& pool,
                        std::vector<QueryHeadParams>* gradient) {
    Loss computation(set, params, batch, pool);
    double loss = computation.forward();
    if (gradient) computation.backward(*gradient);
    for (size_t j = 0; j < params.size(); ++j) {
        for (size_t i = 0; i < params[j].map.size(); ++i) {
            const float identity = i % (set.d + 1) == 0 ? 1.0f : 0.0f;
            const double delta = params[j].map[i] - identity;
            loss += regulariser * delta * delta;
            if (gradient) {
                (*gradient)[j].map[i] += static_cast<float>(2 * regulariser * delta);
            }
        }
    }
    return loss;
}

}  // namespace s3attn
