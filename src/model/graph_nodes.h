// Reading a llama.cpp graph: from a node back to the weights it was made from, and its numbers.
#pragma once

#include <ggml.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace s3attn {

// "blk.7.attn_k.weight": 7 and "attn_k.weight". Copies on another backend are called
// "CUDA0#blk.7.attn_k.weight#0".
struct LayerWeight {
    uint32_t layer = 0;
    std::string_view part;
};
std::optional<LayerWeight> layer_weight(std::string_view name);

// What lies between a node and its weights, besides arithmetic on each row.
enum class Between { kArithmetic, kRopeToo };
// The weights of the matrix product that `tensor` was made from; null when something else lies
// between.
const ggml_tensor* weights_behind(const ggml_tensor* tensor, Between between);

bool is_on_host(const ggml_tensor* tensor);
// The tensor's bytes from `offset` to its last element; `copy` holds them where they are elsewhere.
const char* host_bytes(const ggml_tensor* tensor, size_t offset, std::vector<char>& copy);

}  // namespace s3attn
