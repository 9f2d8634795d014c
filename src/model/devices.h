// What the model runtime finds on this machine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace s3attn {

struct RuntimeDevice {
    std::string name, description;  // "CUDA0", "NVIDIA H200"
    std::string kind;               // "cpu", "gpu", "igpu", "accelerator"
    uint64_t free_bytes = 0, total_bytes = 0;
};

// Those of ggml's registry, in its order. Asking a card may take some of its memory.
std::vector<RuntimeDevice> runtime_devices();
// llama.cpp's own.
std::string runtime_version();

}  // namespace s3attn
