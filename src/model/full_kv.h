// What long documents cost a model that keeps all of them in its key-value cache; for benchmarks.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "s3attn/result.h"
#include "s3attn/types.h"

namespace s3attn {

struct FullKvRun {
    uint32_t tokens = 0;  // of the prompt
    double prefill_seconds = 0;
    double decode_ms = 0;  // per token, over the tokens generated after it
};

// Prefills prompts of the given lengths (of arbitrary tokens) with flash attention, each in a cache
// of its own, and generates `generated` tokens after each. Loading the model is not counted.
Result<std::vector<FullKvRun>> full_kv_runs(const std::string& model_path, Device device,
                                            std::span<const uint32_t> lengths, uint32_t generated);

}  // namespace s3attn
