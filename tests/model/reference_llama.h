// A slow, obvious forward pass of the llama architecture in double precision: keys before RoPE,
// computed from the weights without llama.cpp, its graph or its callback.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tiny_gguf.h"

namespace s3attn {

// [layer][token * heads * d_head]
struct ReferenceProjections {
    std::vector<std::vector<double>> keys, queries;
};
ReferenceProjections reference_llama(const TinyModel& model, const TinyWeights& weights,
                                     std::span<const int32_t> tokens);

}  // namespace s3attn
