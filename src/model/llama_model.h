// llama.cpp behind the model seam. The only folder that includes llama.h; this header does not.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "model/language_model.h"
#include "s3attn/result.h"
#include "s3attn/types.h"

namespace s3attn {

struct ScannerOptions {
    std::string model_path;
    uint32_t threads = 0;  // 0: all cores of this process
    uint32_t chunk_tokens = 256;
    // Deepest layer that will be captured; with cache_dir set, a scan copy of layers
    // 0 .. deepest_layer is made once (Q8_0; F16 or BF16 with kCuda) and used instead of the file.
    // -1: all layers.
    int32_t deepest_layer = -1;
    std::string cache_dir;  // empty: scan the file itself
    // kCuda: the layers run on the first device, several chunks of a scan in one pass.
    Device device = Device::kAuto;
    uint32_t device_batch_tokens = 2048;  // of such a pass
};
// A damaged, missing or non-GGUF file, or an architecture without per-head K, is a clear error.
// info().file_hash is always the original's.
Result<std::unique_ptr<Scanner>> open_llama_scanner(const ScannerOptions& options,
                                                    ProgressSink* sink = nullptr,
                                                    const CancelToken* cancel = nullptr);

// Header fields only (no weights are read); file_hash included. Cheap enough to match adapters.
Result<ModelInfo> read_model_info(const std::string& model_path);

// The tokenizer alone: no weights are loaded.
Result<std::unique_ptr<Tokenizer>> open_llama_tokenizer(const std::string& model_path);

// Ok when the llama.cpp in use can run models on a CUDA device.
Status llama_cuda_status();
// What models opened for `device` run on: "CPU", or the card's own name ("CUDA: NVIDIA H200").
std::string llama_device_name(Device device);

}  // namespace s3attn
