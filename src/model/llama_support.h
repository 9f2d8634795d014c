// Shared by the llama.cpp files of this folder: backend set-up, log routing, model loading.
#pragma once

#include <llama-cpp.h>

#include <string>

#include "s3attn/result.h"
#include "s3attn/types.h"

namespace s3attn {

// Starts the ggml backends once per process.
// Thread-safe; every entry point of the folder calls it first.
void ensure_llama_backend();

// Error lines that llama.cpp logged on this thread since the last call, joined by "; ".
// Nothing before set_model_log().
std::string take_llama_errors();
// The same for a message: where there are none, where to look.
std::string llama_reason();

// Loads weights; `path` names the file in messages. kCuda: all of them onto the first device, the
// embeddings too where it can look them up, for the host would send it 4 bytes for each element.
// kCancelled when `cancel` fired before all weights were read.
Result<llama_model_ptr> load_llama_model(const std::string& path, Device device = Device::kAuto,
                                         const CancelToken* cancel = nullptr);
// Only the vocabulary.
Result<llama_model_ptr> load_llama_vocabulary(const std::string& path);

// 0: all cores of this process.
uint32_t thread_count(uint32_t wanted);

}  // namespace s3attn
