// The k most active latents of rows on the device: packs an encoder's weights for the kernels,
// keeps their scratch memory, and launches them.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "adapter/cuda_memory.cuh"
#include "s3attn/result.h"

namespace s3attn::gpu {

struct SlotTables;
struct FinishArgs;

constexpr uint32_t kMaxActive = 64;
// 64, 128 or 256: what the kernels pad a head dimension to; 0: too large for them.
uint32_t padded_dimension(uint32_t d);
size_t packed_bytes(uint32_t latents, uint32_t padded_d);

// Fills `slot->tiles` and the largest_* fields from F32 weights [latents][padded_d] and biases.
Status pack_encoder(const float* weights, const float* bias, uint32_t latents, uint32_t padded_d,
                    SlotTables* slot, unsigned char* tiles, cudaStream_t stream);

class LatentSelector {
  public:
    // For at most so many rows of all slots together.
    Status make(uint32_t padded_d, uint32_t k, size_t max_rows);
    // Launches both kernels for args.n_slots slots of args.n_rows rows; fills in what concerns
    // candidates. `half_weights`: encoder and decoder of the slots are fp16, else F32.
    Status run(FinishArgs args, bool half_weights, cudaStream_t stream);
    // The first kernel alone; for the benchmark.
    Status select(const FinishArgs& args, cudaStream_t stream);
    uint64_t device_bytes() const { return lists_.bytes() + candidates_.bytes() + counts_.bytes(); }

  private:
    int blocks_for(int n_rows, int n_slots) const;

    uint32_t d_ = 0, k_ = 0;
    int processors_ = 0, list_slots_ = 0, room_ = 0;
    size_t max_rows_ = 0;
    Buffer<uint2> lists_;
    Buffer<uint16_t> candidates_, counts_;
};

}  // namespace s3attn::gpu
