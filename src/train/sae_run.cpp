// The training run around SaeTrainer: batches, schedule, and when to stop.
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>

#include "s3attn/reason.h"
#include "train/device_sae.h"
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

// The trainer of a run, wherever it computes.
class Stepper {
  public:
    virtual ~Stepper() = default;
    virtual Status step(const float* x, float rate) = 0;
    virtual Status restart_dead(uint64_t seed) = 0;
    virtual Result<SaeWeights> weights() = 0;
};

class HostStepper final : public Stepper {
  public:
    HostStepper(SaeWeights initial, const SaeOptions& options, ThreadPool& pool)
        : trainer_(std::move(initial), options, pool), rows_(options.batch) {}
    Status step(const float* x, float rate) override {
        trainer_.step(x, rows_, rate);
        return {};
    }
    Status restart_dead(uint64_t seed) override {
        trainer_.restart_dead(seed);
        return {};
    }
    Result<SaeWeights> weights() override { return trainer_.weights(); }

  private:
    SaeTrainer trainer_;
    uint32_t rows_;
};

class DeviceStepper final : public Stepper {
  public:
    explicit DeviceStepper(std::unique_ptr<DeviceSaeTrainer> trainer)
        : trainer_(std::move(trainer)) {}
    Status step(const float* x, float rate) override {
        const auto loss = trainer_->step(x, rate);
        return loss.ok() ? Status{} : loss.error();
    }
    Status restart_dead(uint64_t seed) override {
        const auto n = trainer_->restart_dead(seed);
        return n.ok() ? Status{} : n.error();
    }
    Result<SaeWeights> weights() override { return trainer_->weights(); }

  private:
    std::unique_ptr<DeviceSaeTrainer> trainer_;
};

Result<std::unique_ptr<Stepper>> make_stepper(SaeWeights initial, const SaeOptions& options,
                                              ThreadPool& pool) {
    if (options.on_device) {
        S3ATTN_TRY(auto trainer, DeviceSaeTrainer::make(initial, options, options.batch));
        return std::unique_ptr<Stepper>(std::make_unique<DeviceStepper>(std::move(trainer)));
    }
    return std::unique_ptr<Stepper>(
        std::make_unique<HostStepper>(std::move(initial), options, pool));
}

// Random training rows, centred and of unit length.
class KeyBatches {
  public:
    KeyBatches(const HalfRows& keys, const std::vector<float>& mean, size_t n_train,
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
        return make_error(
            ErrorCode::kInvalidArgument, reason::kOption, "sae_tokens,latents",
            "too few keys for a dictionary of " + std::to_string(options.latents) +
                " latents: " + std::to_string(keys.size()) +
                " keys; give a larger corpus, more keys to train on, or fewer latents");
    }
    S3ATTN_TRY(const auto trainer,
               make_stepper(initial_weights(keys, mean, n_train, options), options, pool));
    KeyBatches batches(keys, mean, n_train, options, pool);
    Schedule schedule(options);
    Plateau plateau(options);
    const size_t judged = std::min(keys.size(), n_train + options.check_keys);
    std::vector<std::pair<uint32_t, double>> history;
    bool stopped_early = false;
    for (uint32_t step = 0; step < schedule.end(); ++step) {
        if (cancel.cancelled()) {
            return make_error(ErrorCode::kCancelled, "training was interrupted");
        }
        S3ATTN_CHECK(trainer->step(batches.next(), schedule.rate(step)));
        if (on_step) on_step(step + 1, schedule.end());
        const auto due = [&](uint32_t every) { return every > 0 && (step + 1) % every == 0; };
        if (due(options.check_every)) {
            S3ATTN_TRY(const SaeWeights weights, trainer->weights());
            Measurer measurer(weights, options.k, pool);
            const double fvu = unexplained(measurer.run(keys, mean, n_train, judged, 1));
            history.emplace_back(step + 1, fvu);
            if (schedule.flat(step + 1) && !stopped_early && plateau.reached(fvu)) {
                schedule.decay_from(step + 1);
                stopped_early = true;
            }
        }
        if (due(options.restart_every) && schedule.flat(step + 1)) {
            S3ATTN_CHECK(trainer->restart_dead(options.seed + step));
        }
    }
    S3ATTN_TRY(const SaeWeights weights, trainer->weights());
    TrainedSae result = measure_sae(weights, options.k, keys, mean, n_train, pool);
    result.report.steps = schedule.end();
    result.report.stopped_early = stopped_early;
    result.report.held_out = std::move(history);
    return result;
}

}  // namespace s3attn
