// SaeTrainer on a CUDA device: the encoder's kernels for the forward pass, sparse backward and Adam
// there too. Steps equal SaeTrainer's but for the order of additions, and ties among latents. In a
// build without CUDA make() says so.
#pragma once

#include <memory>

#include "s3attn/result.h"
#include "train/sae_trainer.h"

namespace s3attn {

class DeviceSaeTrainer {
  public:
    // `rows` of every step. kUnsupported: no device, or a shape that its kernels do not take.
    static Result<std::unique_ptr<DeviceSaeTrainer>> make(const SaeWeights& initial,
                                                          const SaeOptions& options, uint32_t rows);
    ~DeviceSaeTrainer();

    // As SaeTrainer's; x: [rows][d] on the host.
    Result<double> step(const float* x, float rate);
    Result<uint32_t> restart_dead(uint64_t seed);
    // Copied from the device.
    Result<SaeWeights> weights();
    void mark_silent(uint32_t latent, uint32_t steps);  // for tests

  private:
    struct Impl;
    explicit DeviceSaeTrainer(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace s3attn
