// The yardstick of the scan: an ordinary prefill of the whole model, nothing observed. For bench/.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "s3attn/result.h"

namespace s3attn {

// Tokens per second of prefilling `tokens` through every layer of the file as shipped, in
// independent chunks, without logits. Loading the model is not counted. threads 0: all cores.
Result<double> full_prefill_rate(const std::string& model_path, uint32_t threads,
                                 uint32_t chunk_tokens, std::span<const int32_t> tokens);

}  // namespace s3attn
