// The training run around SaeTrainer: batches, schedule, and when to stop.
#include <algorithm>
#include <cmath>
#include <string>

#include "train/rng.h"
#include "train/sae_measure.h"
#include "train/sae_trainer.h"

namespace s3attn {
namespace {

// Warm-up, a flat stretch, and a linear decay to zero. What the decay gains comes only with it, so
// a run that no longer improves goes into its decay early instead of just ending.
class Schedule {
  public:
    explicit Schedule(const SaeOptions& options)
        : options_(options), end_(options.steps), decay_(options.decay_share * options.steps) {}

    uint32_t end() const { return end_; }
    bool flat(uint32_t step) const { return step < end_ - decay_; }
    float rate(uint32_t step) const {
        const double warm = std::min(1.0, (step + 1.0) / std::max(1u, options_.warm_up));
        const double late = decay_ > 0 ? std::min(1.0, (end_ - step) / decay_) : 1.0;
        return static_cast<float>(options_.rate * warm * late);
    }
    // Decay from here, as long in proportion as planned.
    void decay_from(uint32_t step) {
        const double planned = options_.decay_share / std::max(1e-9, 1 - options_.decay_share);
        const uint32_t length = std::max(1u, static_cast<uint32_t>(std::lround(planned * step)));
        end_ = std::min(end_, step + length);
        decay_ = end_ - step;
    }

  private:
    const SaeOptions& options_;
    uint32_t end_;
    double decay_;
};

// Stops when `patience` checks in a row have not brought the FVU down by `min_gain` of it.
class Plateau {
  public:
    explicit Plateau(const SaeOptions& options) : options_(options) {}
    bool reached(double fvu) {
        const bool better = best_ < 0 || fvu < best_ * (1 - options_.min_gain);
        if (better) best_ = fvu;
        waited_ = better ? 0 : waited_ + 1;
        return options_.patience > 0 && waited_ >= options_.patience;
    }

  private:
    const SaeOptions& options_;
    double best_ = -1;
    uint32_t waited_ = 0;
};

// Random training rows, centred and of unit length.
class Batches {
  public:
    Batches(const HalfRows& keys, const std::vector<float>& mean, size_t n_train,
            const SaeOptions& options, ThreadPool& pool)
        : keys_(keys), mean_(mean), n_train_(n_train), pool_(pool), rng_(options.seed) {
        values_.resize(static_cast<size_t>(options.batch) * keys.d());
        rows_.resize(options.batch);
    }

    const float* next() {
        for (size_t& row : rows_) row = rng_.below(n_train_);
        constexpr uint32_t kTask = 512;
        const uint32_t n = static_cast<uint32_t>(rows_.size()), d = keys_.d();
        pool_.run((n + kTask - 1) / kTask, [&](uint32_t task) {
            const uint32_t end = std::min(n, (task + 1) * kTask);
            for (uint32_t r = task * kTask; r < end; ++r) {
                read_unit(keys_, rows_[r], 1, mean_, values_.data() + static_cast<size_t>(r) * d);
            }
        });
        return values_.data();
    }

  private:
    const HalfRows& keys_;
    const std::vector<float>& mean_;
    size_t n_train_;
    ThreadPool& pool_;
    Rng rng_;
    std::vector<float> values_;
    std::vector<size_t> rows_;
};

}  // namespace

Result<TrainedSae> train_sae(const HalfRows& keys, const std::vector<float>& mean,
                             const SaeOptions& options, ThreadPool& pool,
                             const std::function<void(uint32_t, uint32_t)>& on_step,
                             const CancelToken& cancel) {
    const size_t n_train = training_rows(keys.size());
    if (n_train == keys.size() || n_train < options.latents) {
        return make_error(ErrorCode::kInvalidArgument,
                          "too few keys for a dictionary of " + std::to_string(options.latents) +
                              " latents: " + std::to_string(keys.size()) +
                              " tokens captured; give a larger corpus or fewer latents");
    }
    SaeTrainer trainer(initial_weights(keys, mean, n_train, options), options, pool);
    Batches batches(keys, mean, n_train, options, pool);
    Schedule schedule(options);
    Plateau plateau(options);
    const size_t judged = std::min(keys.size(), n_train + options.check_keys);
    std::vector<std::pair<uint32_t, double>> history;
    bool stopped_early = false;
    for (uint32_t step = 0; step < schedule.end(); ++step) {
        if (cancel.cancelled()) {
            return make_error(ErrorCode::kCancelled, "training was interrupted");
        }
        trainer.step(batches.next(), options.batch, schedule.rate(step));
        if (on_step) on_step(step + 1, schedule.end());
        const auto due = [&](uint32_t every) { return every > 0 && (step + 1) % every == 0; };
        if (due(options.check_every)) {
            Measurer measurer(trainer.weights(), options.k, pool);
            const double fvu = unexplained(measurer.run(keys, mean, n_train, judged, 1));
            history.emplace_back(step + 1, fvu);
            if (schedule.flat(step + 1) && !stopped_early && plateau.reached(fvu)) {
                schedule.decay_from(step + 1);
                stopped_early = true;
            }
        }
        if (due(options.restart_every) && schedule.flat(step + 1)) {
            trainer.restart_dead(options.seed + step);
        }
    }
    TrainedSae result = measure_sae(trainer.weights(), options.k, keys, mean, n_train, pool);
    result.report.steps = schedule.end();
    result.report.stopped_early = stopped_early;
    result.report.held_out = std::move(history);
    return result;
}

}  // namespace s3attn
