// Trains one TopK sparse autoencoder on unit-norm centred keys (docs/training.md).
//
// Only the k active latents of a key receive gradients, so a step is one dense product (keys times
// encoder) and sparse everything else. The work is split by rows in the forward half and by latents
// in the backward half; results do not depend on the number of threads.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "adapter/adapter.h"
#include "base/parallel.h"
#include "s3attn/progress.h"
#include "s3attn/result.h"
#include "s3attn/trainer.h"
#include "train/kernels.h"
#include "train/rows.h"

namespace s3attn {

struct SaeOptions {
    uint32_t latents = 4096, k = 8;
    uint32_t steps = 1500, batch = 4096;
    float rate = 2e-3f;
    uint32_t warm_up = 100;
    double decay_share = 0.3;    // of the steps, at the end, linear to zero
    uint32_t patience = 3;       // checks without progress until the decay begins early; 0: never
    uint32_t check_every = 100;  // steps; 0: no checks
    uint32_t check_keys = 4096;  // of the held-out keys
    double min_gain = 0.005;     // relative fall of the FVU that counts as progress
    uint32_t dead_after = 100;   // steps without firing
    uint32_t aux_every = 2;      // AuxK on every n-th step; 0: never
    float aux_weight = 1.0f / 16;
    // Latents that AuxK has not brought back start anew from badly rebuilt keys, every so many
    // steps before the decay; 0: never.
    uint32_t restart_every = 100;
    float encoder_scale = 0.3f;  // of the tied initial encoder
    uint64_t seed = 1;
    bool on_device = false;  // of the CUDA device; kUnsupported where it cannot
};

// Parameters latent by latent (both matrices [latents][d]); no decoder bias, so that the dot
// product of a query with the reconstruction is exactly the sum over features.
struct SaeWeights {
    uint32_t d = 0, latents = 0;
    std::vector<float> encoder, bias, decoder;
};

// What training changes.
struct SaeState {
    SaeWeights weights;
    std::vector<float> m_encoder, v_encoder, m_decoder, v_decoder, m_bias, v_bias;  // of Adam
    std::vector<uint32_t> silent;  // [latents] steps since the latent last fired

    void reset();  // moments and silence, for the weights' shape
    std::vector<uint32_t> dead(uint32_t after) const;  // silent for more than so many steps
    // Points the dead latents at rows of `residual` ([rows][d]); see SaeTrainer::restart_dead.
    uint32_t restart_dead(uint32_t after, const std::vector<float>& residual, uint64_t seed);
};
AdamStep adam_step(float rate, uint64_t steps_done);

class SaeTrainer {
  public:
    SaeTrainer(SaeWeights initial, const SaeOptions& options, ThreadPool& pool);
    SaeTrainer(const SaeTrainer&) = delete;
    SaeTrainer& operator=(const SaeTrainer&) = delete;

    // Mean over rows of |x - x^|^2 at the current weights, then one Adam step. `rate` is the
    // learning rate of this step.
    double step(const float* x, uint32_t rows, float rate);

    // Points the dead latents at what is left over of rows of the last step's batch, drawn with
    // probability proportional to |x - x^|^2. Returns how many there were.
    uint32_t restart_dead(uint64_t seed);

    // The gradients of the step's loss (AuxK included if `aux`) without a step; for tests.
    double gradients(const float* x, uint32_t rows, bool aux, SaeWeights& gradient);

    const SaeWeights& weights() const { return weights_; }
    std::vector<uint32_t> dead_latents() const { return state_.dead(options_.dead_after); }
    void mark_silent(uint32_t latent, uint32_t steps) {
        state_.silent[latent] = steps;
    }  // for tests

  private:
    struct Entry {  // an active latent of a row; the aux pass has its own list
        uint32_t row;
        float value;
    };
    struct Side {  // one pass (main or aux): active latents per row, then grouped by latent
        uint32_t k = 0;
        std::vector<uint32_t> index;  // [rows][k]
        std::vector<float> value;     // [rows][k]; 0 where fewer than k are active
        std::vector<uint32_t> count;  // [rows]
        std::vector<float> residual;  // [rows][d]
        std::vector<uint32_t> start;  // [latents + 1]
        std::vector<Entry> entries;
    };
    void prepare(uint32_t rows, bool aux);
    void forward(const float* x, uint32_t rows, bool aux);
    void forward_block(const float* x, uint32_t begin, uint32_t end, bool aux);
    void reconstruct(const float* x, uint32_t row, bool aux);
    void group(Side& side, uint32_t rows);
    bool add_gradient(const Side& side, float weight, const float* x, uint32_t rows,
                      uint32_t latent, float* encoder, float* decoder, float& bias) const;
    void update(const float* x, uint32_t rows, bool aux, float rate);

    SaeState state_;
    SaeWeights& weights_ = state_.weights;
    SaeOptions options_;
    ThreadPool& pool_;
    PackedColumns packed_;
    std::vector<float> padded_bias_;
    std::vector<uint32_t> dead_;
    Side main_, aux_;
    uint64_t steps_done_ = 0;
};

// Decoder rows are random centred keys with some noise, unit norm; the encoder is their transpose,
// scaled.
SaeWeights initial_weights(const HalfRows& keys, const std::vector<float>& mean, size_t n_train,
                           const SaeOptions& options);

struct TrainedSae {
    SparseAutoencoder sae;
    std::vector<float> mean_activation;    // of stored activations where active; 0: dead
    std::vector<float> activation_sample;  // stored activations of every n-th key
    SaeReport report;                      // layer and kv_head are the caller's
};

// The last twentieth of the keys (at most 20,000) is held out for the report and for early
// stopping. `on_step` (may be empty) gets (steps done, steps).
Result<TrainedSae> train_sae(const HalfRows& keys, const std::vector<float>& mean,
                             const SaeOptions& options, ThreadPool& pool,
                             const std::function<void(uint32_t, uint32_t)>& on_step,
                             const CancelToken& cancel);

}  // namespace s3attn
