#include "train/query_trainer.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "train/rng.h"

namespace s3attn {
namespace {

// Adam over all parameters of all heads, flattened.
class Optimiser {
  public:
    explicit Optimiser(const std::vector<QueryHeadParams>& params) {
        std::vector<QueryHeadParams> copy = params;
        visit(copy, copy, [&](float*, const float*, size_t n) {
            m_.emplace_back(n, 0.0f);
            v_.emplace_back(n, 0.0f);
        });
    }

    void step(float rate, std::vector<QueryHeadParams>& params,
              std::vector<QueryHeadParams>& gradient) {
        ++steps_;
        AdamStep adam;
        adam.rate = rate;
        adam.beta2 = 0.999f;
        adam.correction1 = static_cast<float>(1 - std::pow(adam.beta1, steps_));
        adam.correction2 = static_cast<float>(1 - std::pow(adam.beta2, steps_));
        size_t i = 0;
        visit(params, gradient, [&](float* p, const float* g, size_t n) {
            kernels().adam(g, n, adam, p, m_[i].data(), v_[i].data());
            ++i;
        });
    }

  private:
    template <class F>
    static void visit(std::vector<QueryHeadParams>& params, std::vector<QueryHeadParams>& gradient,
                      const F& f) {
        for (size_t j = 0; j < params.size(); ++j) {
            QueryHeadParams& p = params[j];
            QueryHeadParams& g = gradient[j];
            f(p.map.data(), g.map.data(), p.map.size());
            f(p.bias.data(), g.bias.data(), p.bias.size());
            f(p.token_weight.data(), g.token_weight.data(), p.token_weight.size());
            f(&p.log_temperature, &g.log_temperature, 1);
            f(&p.mixture_logit, &g.mixture_logit, 1);
        }
    }

    std::vector<std::vector<float>> m_, v_;
    uint64_t steps_ = 0;
};

// Questions in a fresh random order each epoch; their paragraphs are each other's distractors,
// filled up with random ones.
class Batches {
  public:
    Batches(const RetrievalSet& set, const QueryTrainOptions& options)
        : set_(set), options_(options), rng_(options.seed ^ 0x9e37u) {}

    ContrastiveBatch next() {
        ContrastiveBatch batch;
        std::unordered_map<uint32_t, uint32_t> position;
        const auto add_unit = [&](uint32_t unit) {
            const auto [it, added] =
                position.emplace(unit, static_cast<uint32_t>(batch.units.size()));
            if (added) batch.units.push_back(unit);
            return it->second;
        };
        const size_t n = std::min<size_t>(options_.batch, set_.questions.size());
        while (batch.questions.size() < n) {
            if (at_ == order_.size()) reshuffle();
            const uint32_t q = order_[at_++];
            batch.questions.push_back(q);
            batch.gold_at.push_back(add_unit(set_.gold[q][0]));
        }
        for (const uint32_t q : batch.questions) {
            if (options_.hard.empty() || options_.hard[q].empty()) continue;
            for (uint32_t i = 0; i < options_.hard_per_question; ++i) {
                add_unit(options_.hard[q][rng_.below(options_.hard[q].size())]);
            }
        }
        const size_t units = std::min<size_t>(options_.batch_units, set_.units.size());
        while (batch.units.size() < units) {
            add_unit(static_cast<uint32_t>(rng_.below(set_.units.size())));
        }
        return batch;
    }

  private:
    void reshuffle() {
        order_.resize(set_.questions.size());
        for (uint32_t i = 0; i < order_.size(); ++i) order_[i] = i;
        rng_.shuffle(order_);
        at_ = 0;
    }

    const RetrievalSet& set_;
    const QueryTrainOptions& options_;
    Rng rng_;
    std::vector<uint32_t> order_;
    size_t at_ = 0;
};

}  // namespace

Result<QueryTrainResult> train_queries(const RetrievalSet& set, const RetrievalSet& held_out,
                                       uint32_t begin, uint32_t end,
                                       const QueryTrainOptions& options, ThreadPool& pool,
                                       const std::function<void(uint32_t, uint32_t)>& on_step,
                                       const CancelToken& cancel) {
    QueryTrainResult result;
    std::vector<QueryHeadParams> params(set.heads.size(), identity_params(set.d)), gradient;
    result.params = params;
    result.held_out_before = recall_of(held_out, params, begin, end, pool).mean();
    result.held_out_after = result.held_out_before;
    Optimiser optimiser(params);
    Batches batches(set, options);
    const uint32_t window = std::max(1u, std::min(20u, options.steps / 2));
    for (uint32_t step = 0; step < options.steps; ++step) {
        if (cancel.cancelled()) {
            return make_error(ErrorCode::kCancelled, "training was cancelled; nothing was saved");
        }
        const double loss =
            contrastive_loss(set, params, batches.next(), options.regulariser, pool, &gradient);
        if (step < window) result.first_loss += loss / window;
        if (step + window >= options.steps) result.last_loss += loss / window;
        const double warm = std::min(1.0, (step + 1.0) / std::max(1u, options.warm_up));
        const double late = std::min(1.0, (options.steps - step) / (0.5 * options.steps));
        optimiser.step(static_cast<float>(options.rate * warm * late), params, gradient);
        if (on_step) on_step(step + 1, options.steps);
        const bool check = (step + 1) % options.check_every == 0 || step + 1 == options.steps;
        if (!check) continue;
        const double recall = recall_of(held_out, params, begin, end, pool).mean();
        if (recall >= result.held_out_after) {
            result.held_out_after = recall;
            result.params = params;
            result.best_step = step + 1;
        }
    }
    return result;
}

}  // namespace s3attn
