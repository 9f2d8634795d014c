// Encodes keys where they lie, on a CUDA device: what KeyEncoder does, without a copy of the keys
// to the host. In a build without CUDA everything here says so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "adapter/adapter.h"
#include "adapter/codes.h"
#include "s3attn/result.h"

namespace s3attn {

bool built_with_cuda();
// Ok when this program was built with CUDA and a card it can use is there; else what is missing.
Status cuda_status();
// Ok when the device encoder can code with this adapter's autoencoders (k, head dimension, range).
Status check_device_adapter(const Adapter& adapter);

// Keys of one layer in device memory: of sequence s, token t, KV head h the d floats at
// data + s * sequence_stride + t * token_stride + h * head_stride.
struct DeviceKeys {
    const float* data = nullptr;
    uint32_t n_tokens = 0;  // of a sequence
    uint32_t n_sequences = 1;
    size_t token_stride = 0, head_stride = 0, sequence_stride = 0;  // in floats
};

// Codes of one batch of tokens after the other, two at a time: while the codes of one are on their
// way to the host, the keys of the next come in. Not thread-safe.
class DeviceKeyEncoder {
  public:
    // The adapter must be valid and outlive the encoder. `max_tokens` of a batch.
    static Result<std::unique_ptr<DeviceKeyEncoder>> make(const Adapter& adapter,
                                                          uint32_t max_tokens);
    ~DeviceKeyEncoder();

    // Starts a batch. The batch before the last must have been taken.
    Status begin(uint32_t n_tokens);
    // All of the adapter's keys of this layer; rows are numbered sequence by sequence. Returns when
    // the keys may be overwritten; the codes are computed later, beside whatever the device does.
    Status add(uint32_t layer, const DeviceKeys& keys);
    Status end();
    // Codes of the oldest batch that was not taken; waits for them. `norms` (may be null): of the
    // reconstructions, [n_tokens][n_slots], 0 where nothing is stored.
    Status take(CodeBatch& codes, std::vector<float>* norms = nullptr);

    uint64_t device_bytes() const;  // that it holds

  private:
    struct Impl;
    explicit DeviceKeyEncoder(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace s3attn
