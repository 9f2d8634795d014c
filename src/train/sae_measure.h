// What an autoencoder does with keys: the figures of its report, and what the adapter stores.
#pragma once

#include <cstdint>
#include <vector>

#include "base/parallel.h"
#include "train/kernels.h"
#include "train/rows.h"
#include "train/sae_trainer.h"

namespace s3attn {

struct Encoded {  // sums over the keys encoded
    std::vector<double> activation;
    std::vector<uint64_t> fired;
    std::vector<float> sample;  // stored activations, thinned
    double error = 0, energy = 0;
    std::vector<double> sum;
    size_t n = 0;
};
double unexplained(const Encoded& keys);  // fraction of variance

// Encodes rows [begin, end) as the index will: TopK of the ReLU, activations over the norm of the
// reconstruction. The result does not depend on the number of threads.
class Measurer {
  public:
    Measurer(const SaeWeights& weights, uint32_t k, ThreadPool& pool);
    Encoded run(const HalfRows& keys, const std::vector<float>& mean, size_t begin, size_t end,
                size_t sample_every);

  private:
    Encoded empty() const;
    void encode(const HalfRows& keys, const std::vector<float>& mean, size_t begin, size_t end,
                size_t sample_every, Encoded& out);
    void measure(const float* x, const TopList& list, bool sample, std::vector<float>& rebuilt,
                 Encoded& out) const;

    const SaeWeights& weights_;
    uint32_t k_;
    ThreadPool& pool_;
    PackedColumns packed_;
    std::vector<float> bias_;
};

// The report and what the adapter keeps, of finished weights: FVU and dead latents from the
// held-out rows [n_train, keys.size()), frequencies and mean activations from all.
TrainedSae measure_sae(const SaeWeights& weights, uint32_t k, const HalfRows& keys,
                       const std::vector<float>& mean, size_t n_train, ThreadPool& pool);

// The trainer's form of an adapter's autoencoder; a decoder bias goes into the encoder's.
SaeWeights weights_of(const SparseAutoencoder& sae);

// Rows of `keys` that are trained on; the last twentieth, at most 20,000, is held out.
size_t training_rows(size_t keys);

// Bytes of the index per key (docs/formats/segment.md), were every latent to fire at random with
// its frequency.
double estimated_bytes(const std::vector<uint64_t>& fired, size_t keys);

}  // namespace s3attn
