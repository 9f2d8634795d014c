// Opening what scans: the model's header, the adapter that was made for it, the scanner. The
// engine, the trainer and the evaluation all begin here.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "adapter/adapter.h"
#include "model/language_model.h"
#include "s3attn/progress.h"
#include "s3attn/result.h"
#include "s3attn/types.h"

namespace s3attn {

inline constexpr uint32_t kDefaultChunkTokens = 256;

struct ScanRequest {
    std::string model;    // GGUF
    std::string adapter;  // directory; empty: the one of `adapter_dirs` made for the model
    std::vector<std::string> adapter_dirs;
    std::string cache_dir;  // of scan copies; empty: none
    uint32_t threads = 0;
    Device device = Device::kAuto;
};

// The device that is meant; kCuda only where adapters and llama.cpp can both use it.
Result<Device> choose_scan_device(Device wanted);

// The model's header (kNotFound without a model); no weights are read.
Result<ModelInfo> open_scan_info(const ScanRequest& request);
// About how long `s3attn train` with its usual options takes for the model on this machine's
// processor, from what was measured for a small one (docs/training.md). 0 threads: all.
double training_minutes(const ModelInfo& model, uint32_t threads);

// The adapter named, or the one found; kMismatch when it was made for another model. Where none is
// found, kNotFound tells the minutes that making one would take; its subject is the model's path.
Result<std::shared_ptr<const Adapter>> open_scan_adapter(const ScanRequest& request,
                                                         const ModelInfo& model);
// A scanner of layers 0 .. deepest_layer. `cancel`: kCancelled when it fires while weights are
// read.
Result<std::unique_ptr<Scanner>> open_scanner(const ScanRequest& request, uint32_t deepest_layer,
                                              uint32_t chunk_tokens, ProgressSink* sink = nullptr,
                                              const CancelToken* cancel = nullptr);

// Whether the adapter was made for this file or for another quantisation of the same model.
bool is_same_model(const ModelInfo& model, const Adapter& adapter);
// Checks that the adapter was made for this model; kMismatch names the field.
Status check_adapter(const ModelInfo& model, const Adapter& adapter);

}  // namespace s3attn
